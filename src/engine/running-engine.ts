/**
 * An engine that runs: the threads, and what the volumes that they serve share on main. A program holds it through an `Engine` (engine.ts), or
 * never sees it: `openVolume` makes one for its volume alone.
 *
 *   engine    threads, opening threads, channels, switchboard, front, numbers of volumes and devices
 *    ├ volume 0: core, shell, register, listener        running-volume.ts
 *    ├ volume 1: …
 *    └ …
 *
 *   start ─▶ threads run ─▶ volumes join, and leave ─▶ close: every volume has left ─▶ threads end
 *   a thread dies, or what is shared throws ─▶ every volume fails ─▶ threads are abandoned
 *
 * It knows nothing of what a volume is but its number, and that it can fail. Runs on main.
 */
import type { Socket } from "node:net";
import { assert } from "../base/assert.ts";
import { ABANDON_GRACE_MS, MAX_VOLUMES } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import type { RingMode } from "../ring/worker-data.ts";
import type { Channel } from "./channel.ts";
import { DeviceFiles } from "./device-files.ts";
import { descriptorOf, Front } from "./front.ts";
import { MainWake } from "./main-wake.ts";
import { MetadataSender } from "./metadata-sender.ts";
import { defect } from "./refusal.ts";
import { OpeningPool } from "./opening-pool.ts";
import { Switchboard } from "./switchboard.ts";
import { Threads } from "./threads.ts";
import type { VolumeClients } from "./volume-clients.ts";

/** Of the threads. */
export interface ThreadSettings {
  readonly workers: number;
  readonly copyWorkers: number;
  readonly mode: RingMode;
  readonly busyPoll: number;
  readonly log: (line: string) => void;
}

/** A volume, as its engine sees it. */
export interface Member {
  /** The engine cannot go on. */
  fail(error: Error): void;
  readonly clients: Pick<VolumeClients, "hear">;
}

export class RunningEngine {
  readonly switchboard: Switchboard;
  readonly front: Front;
  readonly files = new DeviceFiles();
  readonly openings = new OpeningPool();
  readonly #settings: ThreadSettings;
  readonly #members: (Member | undefined)[] = [];
  #volumes = 0;
  #wake: MainWake | undefined;
  #starting: Promise<Threads> | undefined;
  #threads: Threads | undefined;
  #metadata: ReadonlyMap<Channel, MetadataSender> = new Map();
  #dead: Error | undefined;
  /** Resolves when that is known. */
  readonly died: Promise<void>;
  #sayDead: (() => void) | undefined;
  #gone: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(settings: ThreadSettings) {
    this.#settings = settings;
    this.died = new Promise((resolve) => {
      this.#sayDead = resolve;
    });
    const failed = (error: unknown): void => this.#fail(defect(error));
    this.front = new Front(settings.log, failed, (volume, news) => this.#members[volume]?.clients.hear(news));
    this.switchboard = new Switchboard({
      connectionClosed: (id, cause) => this.front.connectionClosed(id, cause),
      entered: (id, volume, snapshot) => this.front.entered(id, volume, snapshot),
      waiting: (worker) => this.front.limits.waiting(worker),
      failed,
    });
  }

  /** Volumes that have joined, and not left. */
  get volumes(): number {
    return this.#volumes;
  }

  /** Undefined: they do not run yet. */
  get threads(): Threads | undefined {
    return this.#threads;
  }

  /** A client that came some other way than to an address of ours. Throws a SnapringError: EINVAL, EMFILE, ECONNREFUSED. */
  adopt(socket: Socket): void {
    const threads = this.#threads;
    assert(threads !== undefined, "an engine that a program has runs");
    if (descriptorOf(socket) < 0) throw new SnapringError("EINVAL", "the socket has no descriptor of its own");
    this.front.serve(threads.exports, 0);
    if (!this.front.mayWait(0)) throw new SnapringError("ECONNREFUSED", "there are too many clients");
    this.front.adopt(socket, "all");
  }

  /** Why it cannot go on. */
  get dead(): Error | undefined {
    return this.#dead;
  }

  /** Resolves when the threads run; they are started once. Rejects where the machine refuses one; none runs then. */
  start(): Promise<Threads> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** A number for a volume, under which its messages go. Throws a SnapringError (ENOSPC, or why the engine is dead). */
  join(member: Member): number {
    if (this.#dead !== undefined) throw this.#dead;
    if (this.#closing !== undefined) throw new SnapringError("ESHUTDOWN", "the engine is closed");
    let number = 0;
    while (this.#members[number] !== undefined) number += 1;
    if (number >= MAX_VOLUMES) throw new SnapringError("ENOSPC", `an engine has at most ${MAX_VOLUMES} volumes`);
    this.#members[number] = member;
    this.#volumes += 1;
    return number;
  }

  /** Every worker has forgotten the volume, or never heard of it. */
  leave(number: number): void {
    assert(this.#members[number] !== undefined, "a volume left twice");
    this.switchboard.leave(number);
    this.#members[number] = undefined;
    this.#volumes -= 1;
  }

  /** Who writes the metadata of this volume's stores: always the same worker, in order. */
  metadataFor(volume: number): MetadataSender {
    const senders = [...this.#metadata.values()];
    const sender = senders[volume % senders.length];
    assert(sender !== undefined, "the threads run");
    return sender;
  }

  /** After a death: resolves when the threads have ended, and their clients are cut off. */
  async gone(): Promise<void> {
    await this.#gone;
  }

  /** No volume is left. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #start(): Promise<Threads> {
    const { workers, copyWorkers, mode, busyPoll } = this.#settings;
    this.#wake = new MainWake(() => this.switchboard.turn());
    const threads = await Threads.open({
      exportWorkers: workers,
      copyWorkers,
      mode,
      wakeMain: this.#wake.handle,
      exportData: { busyPollUs: busyPoll },
      died: (error) => this.#fail(error),
    });
    this.#threads = threads;
    this.#metadata = new Map([[threads.metadata, new MetadataSender(threads.metadata, () => this.#volumes > 1)]]);
    this.switchboard.connect(threads, this.#metadata);
    // One may have died while the others came up.
    if (this.#dead !== undefined) {
      await threads.abandon();
      throw this.#dead;
    }
    return threads;
  }

  async #close(): Promise<void> {
    assert(
      this.#members.every((member) => member === undefined),
      "an engine was closed under its volumes",
    );
    await this.#starting?.catch(() => {});
    await this.#gone;
    if (this.#dead === undefined) await this.#threads?.stop();
    await this.openings.close();
    this.switchboard.end();
    this.front.close();
    this.#wake?.close();
  }

  /** Nothing can be promised any more; what is durable stays so. */
  #fail(error: Error): void {
    if (this.#dead !== undefined) return;
    this.#dead = error;
    this.switchboard.end();
    this.#sayDead?.();
    for (const member of this.#members) member?.fail(error);
    this.#gone = this.#abandon();
  }

  /** The threads answer what waits, end the streams, and themselves; main ends the streams of those that cannot. */
  async #abandon(): Promise<void> {
    const late = setTimeout(() => this.front.endStreams(), 2 * ABANDON_GRACE_MS);
    try {
      await new Promise((resolve) => setImmediate(resolve));
      for (const { dead, index } of this.#threads?.exports ?? []) if (dead) this.front.endStreams(index);
      await this.#threads?.abandon();
    } catch (error) {
      this.#settings.log(`ending the threads: ${defect(error).message}`);
    }
    clearTimeout(late);
    this.front.close();
  }
}
