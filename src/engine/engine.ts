/**
 * Many volumes in one process: an engine as a program holds it, before the one that runs (running-engine.ts).
 *
 *   openEngine ─▶ threads run, addresses are bound ─▶ engine.openVolume, any number ─▶ Volume, as `openVolume` gives it
 *                                                          close() of a volume ─▶ the others go on
 *   engine.close ─▶ every volume is closed ─▶ threads end
 *
 * The threads and their memory are there once, however many volumes they serve; a volume adds its tables and words. Volumes come and go while clients
 * are connected. Each may have addresses of its own, too.
 */
import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { AbortError } from "../base/abort-error.ts";
import { SnapringError } from "../base/errno.ts";
import { StuckError } from "../base/stuck-error.ts";
import type { ClientStats } from "./client-limits.ts";
import { type CompleteEngine, completeEngine, completeEngineVolume } from "./complete-options.ts";
import { uriOf } from "./listen-address.ts";
import { Listener } from "./listener.ts";
import type { CreatedGroup, GroupMember } from "./created.ts";
import { create } from "./creation.ts";
import { checkAbortOptions, checkCreateOptions, checkGroup } from "./option-schema.ts";
import { defect, inWords, refusal } from "./refusal.ts";
import { RunningEngine } from "./running-engine.ts";
import { type WorkerStats, workerStats } from "./stats.ts";
import { checkSurroundings } from "./surroundings.ts";
import { openIn, runningOf, type Volume } from "./volume.ts";
import type {
  AbortOptions,
  CloseOptions,
  CreateOptions,
  EngineOptions,
  EngineVolumeOptions,
} from "./volume-options.ts";
import { checkWorkerEntries } from "./worker-entry.ts";

/** A look at the counters of an engine: a plain object, which JSON can hold. Those of its volumes are theirs. */
export interface EngineStats {
  /** Names of the volumes that are open, in the order of their opening. */
  readonly volumes: readonly string[];
  /** Devices that are open: origins and COW devices. Each takes two descriptors, and one more in every thread. */
  readonly devices: number;
  /** snapring's threads. */
  readonly workers: readonly WorkerStats[];
  /** Connections, to whichever volume. */
  readonly clients: ClientStats;
}

/**
 * Starts the threads that serve any number of volumes, and binds the engine's addresses. Resolves when volumes can be opened.
 *
 * Rejects with a TypeError or RangeError for options that are wrong, else with a SnapringError: EADDRINUSE, EACCES, EMFILE, ENOMEM, EAGAIN … Then nothing
 * runs.
 */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  checkWorkerEntries();
  checkSurroundings();
  const complete = completeEngine(options);
  const running = new RunningEngine(complete);
  const listener = new Listener(running.front, "all", (error) => complete.log(defect(error).message));
  const end = async (): Promise<void> => {
    await listener.stop();
    listener.close();
    await running.close();
  };
  try {
    for (const address of complete.listen) await listener.listen(address, complete);
    const threads = await running.start();
    if (!complete.hold) listener.serve(threads.exports);
    return new Engine(running, listener, complete, end);
  } catch (error) {
    await end().catch(() => {});
    throw refusal(error);
  }
}

/** An engine that runs: `openEngine` makes it. `await using` closes it, and all of its volumes. */
export class Engine implements AsyncDisposable {
  readonly #running: RunningEngine;
  readonly #listener: Listener;
  readonly #options: CompleteEngine;
  readonly #end: () => Promise<void>;
  readonly #volumes = new Map<string, Volume>();
  /** Names that are taken, also by volumes that are still being opened or closed. */
  readonly #names = new Set<string>();
  readonly #opening = new Set<Promise<unknown>>();
  #held: boolean;
  /** Gives up what is being opened when the engine is closed. */
  readonly #closer = new AbortController();
  #closing: Promise<void> | undefined;

  /** Use `openEngine`. */
  constructor(running: RunningEngine, listener: Listener, options: CompleteEngine, end: () => Promise<void>) {
    this.#running = running;
    this.#listener = listener;
    this.#options = options;
    this.#end = end;
    this.#held = options.hold;
  }

  /** The volumes that are open, by name. */
  get volumes(): ReadonlyMap<string, Volume> {
    return this.#volumes;
  }

  /** With `hold`: who has come to the engine's addresses, and whoever comes now, is served. Without, or a second time, it does nothing. Throws a SnapringError (EMFILE): nobody could be. */
  admit(): void {
    const { threads } = this.#running;
    if (!this.#held || threads === undefined || this.#closing !== undefined) return;
    this.#held = false;
    this.#listener.serve(threads.exports);
  }

  /**
   * Serves a client that has come some other way, as if it had come to one of the engine's addresses: the protocol begins with snapring's greeting. The socket is a net.Socket with a
   * descriptor (no TLS), of which nothing has been read, and is the engine's from here on. Throws a SnapringError: ESHUTDOWN, EINVAL, ECONNREFUSED (no more clients).
   */
  serve(socket: Socket): void {
    if (this.#closing !== undefined) throw closed();
    this.#running.adopt(socket);
  }

  /** Why it cannot go on: a thread has died. Every volume has its `error` then. Undefined: it runs. */
  get failure(): Error | undefined {
    return this.#running.dead;
  }

  /** NBD URIs of an export, `VOLUME` or `VOLUME@SNAPSHOT`, one for each of the engine's addresses; percent-encoded, so that they can be pasted. */
  uris(name: string): readonly string[] {
    return this.#listener.addresses.map((address) => uriOf(address, name));
  }

  /**
   * Opens a volume, and serves it until its `close()`, or the engine's. Resolves when clients are answered. Others are served meanwhile, and several may
   * be opened at a time.
   *
   * Rejects as `openVolume` does, and with a SnapringError: EEXIST (the name is another volume's), ESHUTDOWN (the engine is closed, also while the volume is
   * opened), ENOSPC or EMFILE (too many volumes, devices).
   */
  async openVolume(options: EngineVolumeOptions, abort: AbortOptions = {}): Promise<Volume> {
    const { signal } = checkAbortOptions(abort);
    const { name, options: complete } = completeEngineVolume(options, this.#options);
    if (this.#closing !== undefined) throw closed();
    if (this.#names.has(name))
      throw new SnapringError("EEXIST", `there is a volume named '${name}' already`, {
        hint: "one that is being opened, or whose close() was given up (ETIMEDOUT), has its name, too",
      });
    this.#names.add(name);
    const left = (): Promise<void> => {
      this.#names.delete(name);
      this.#volumes.delete(name);
      return Promise.resolve();
    };
    const stops = signal === undefined ? this.#closer.signal : AbortSignal.any([signal, this.#closer.signal]);
    const opening = openIn({ engine: this.#running, name, options: complete, left }, stops);
    this.#opening.add(opening);
    try {
      const volume = await opening;
      this.#volumes.set(name, volume);
      return volume;
    } catch (error) {
      this.#names.delete(name);
      throw error instanceof AbortError && signal?.aborted !== true ? closed(error) : error;
    } finally {
      this.#opening.delete(opening);
    }
  }

  /**
   * Makes snapshots of one point in time over several volumes (or several of one): every store is made first, then the writes of clients are held in all of
   * these volumes, then all snapshots begin, then writes go on. Who writes to one volume after an answer from another is in the snapshots as far as the first
   * write is. Resolves when all are durable and served, with the times for which writes were held.
   *
   * All or none: rejects as `Volume.createSnapshot` does, with the member's name (`VOLUME@SNAPSHOT`) in the message, ENOENT for a volume that is not
   * open, EEXIST for a member that is named twice; then none exists, and what was made for them is removed. `signal` ends it likewise; it is what frees the other volumes
   * where a device hangs. What a crash leaves is in docs/RELIABILITY.md.
   */
  async createSnapshots(members: readonly GroupMember[], how: CreateOptions = {}): Promise<CreatedGroup> {
    const checkedHow = checkCreateOptions(how);
    const checked = checkGroup(members);
    if (this.#closing !== undefined) throw closed();
    const wanted = checked.map(({ volume: name, snapshot }) => {
      const volume = this.#volumes.get(name);
      if (volume === undefined) throw new SnapringError("ENOENT", `there is no volume '${name}'`);
      return { volume: runningOf(volume), snapshot };
    });
    return await create(wanted, true, checkedHow).catch(inWords);
  }

  /** Counters, as they are now; cheap enough for each second. */
  stats(): EngineStats {
    const { threads, front, files } = this.#running;
    return {
      volumes: [...this.#volumes.keys()],
      devices: files.count,
      workers: (threads?.all ?? []).map(workerStats),
      clients: front.stats(),
    };
  }

  /**
   * Gives up the volumes that are still being opened, closes every other one, as its own `close` does, all at a time, and ends the threads. A second call
   * waits for the first. Rejects with the SnapringError of a volume whose device does not answer (ETIMEDOUT): the threads are there then until the process ends.
   */
  close(options: CloseOptions = {}): Promise<void> {
    try {
      const { signal } = checkAbortOptions(options);
      this.#closing ??= this.#close(signal);
      if (signal !== undefined) for (const volume of this.#volumes.values()) volume.close({ signal }).catch(() => {});
      return this.#closing;
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    this.#closer.abort();
    await this.#listener.stop();
    await Promise.allSettled(this.#opening);
    // Whoever waits for an opening has been given its volume by now.
    await setImmediate();
    const closes = [...this.#volumes.values()].map((volume) => volume.close(signal === undefined ? {} : { signal }));
    const failed = (await Promise.allSettled(closes)).find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    if (this.#running.volumes > 0) throw new StuckError("closing: a volume that was being opened waits for its device");
    await this.#end();
  }
}

function closed(cause?: Error): SnapringError {
  return new SnapringError("ESHUTDOWN", "the engine is closed", { cause });
}
