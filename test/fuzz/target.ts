/**
 * The server under attack, the well-behaved clients beside the hostile ones, and what must be true between two attacks.
 *
 *   origin, monday   hostile clients enter them; content.ts knows what they may hold
 *   friday           a snapshot that nobody names but a good client: it must read as at the beginning, plus that client's writes
 *
 * `settle` waits until everything of the hostile clients is over, then looks: the process lives and said nothing that it should not,
 * no connection, request, device operation or slot is left, no descriptor either, the memory is bounded, the data is right.
 */
import { MAX_CONNECTIONS_PER_WORKER, OPENING_IDLE_MS } from "../../src/base/constants.ts";
import { CONNECTION_BYTES, EXPORT_ARENA_BYTES } from "../../src/ring/export-arena.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { freePort } from "../support/free-socket.ts";
import type { NbdClient } from "../support/nbd-client.ts";
import type { Address } from "../support/byte-stream.ts";
import { MIB, ODD_END, Volume } from "../support/volume.ts";
import { Content } from "./content.ts";
import { descriptorsOf, residentOf } from "./proof.ts";

/** Large enough for the largest request. */
export const SIZE: number = 34 * MIB + ODD_END;
const FILLED = 6 * MIB;
export const HOSTILE_NAMES = ["", "origin", "monday"] as const;
/** Exports that there are; an empty name is the origin. */
export const ALL_NAMES = ["origin", "monday", "friday"] as const;
const WORKERS = 2;
const PATIENCE_MS = 60_000;
/** Above what it had after its start: the arenas of both workers, if all of them has been used, and what node keeps of its own. */
const MEMORY_MAX: number = WORKERS * EXPORT_ARENA_BYTES + 160 * MIB;
const READ_BYTES = MIB;
/** Lines that clients can cause, each rarely, and what is said at the start where there is no io_uring. */
const LEGAL_LINES = /^(snapring serve: (\d+ connections? (refused|closed): |no io_uring ).*\n)*$/;

if (MAX_CONNECTIONS_PER_WORKER * CONNECTION_BYTES > EXPORT_ARENA_BYTES)
  throw new Error("the arena is smaller than its parts");

export class Target {
  readonly volume: Volume;
  readonly unix: Address;
  readonly tcp: Address;
  readonly contents: ReadonlyMap<string, Content>;
  readonly #friday: Buffer;
  readonly #random: SeededRandom;
  #good: { readonly origin: NbdClient; readonly friday: NbdClient } | undefined;
  #descriptors = 0;
  #memory = 0;
  #goodRequests = 0;

  private constructor(volume: Volume, port: number, seed: number) {
    this.volume = volume;
    this.unix = volume.server.address;
    this.tcp = { host: "127.0.0.1", port };
    this.contents = new Map(["origin", "monday"].map((name) => [name, new Content(name, volume.before)]));
    this.#friday = Buffer.from(volume.before);
    this.#random = new SeededRandom(seed ^ 0x5eed);
  }

  static async start(seed: number): Promise<Target> {
    const port = await freePort();
    const snapshots = ["monday", "friday"].map((name) => ({ name, size: "80M", chunk: "16K" }) as const);
    const args = ["--workers", String(WORKERS), "--listen", `tcp:127.0.0.1:${port}`];
    const volume = await Volume.create({ sizeBytes: SIZE, filledBytes: FILLED, snapshots, args });
    const target = new Target(volume, port, seed);
    target.#good = { origin: await volume.open(), friday: await volume.open("friday") };
    await target.beGood(20);
    // Opening threads have descriptors of their own, and end when there was nothing to do for a while.
    await new Promise((resolve) => setTimeout(resolve, 3 * OPENING_IDLE_MS));
    target.#descriptors = descriptorsOf(volume.server.pid);
    target.#memory = residentOf(volume.server.pid);
    return target;
  }

  get goodRequests(): number {
    return this.#goodRequests;
  }

  /** Bytes above the start. */
  get memory(): number {
    return residentOf(this.volume.server.pid) - this.#memory;
  }

  /** The well-behaved clients at work: each answer must be right. */
  async beGood(rounds: number): Promise<void> {
    const { origin, friday } = this.#clients;
    const random = this.#random;
    for (let i = 0; i < rounds; i++) {
      const length = 1 + random.below(20_000);
      const at = random.below(SIZE - length);
      const data = dataPattern(length, 1 + random.below(1000));
      await friday.write(at, data, i % 4 === 0 ? 1 : 0);
      data.copy(this.#friday, at);
      const from = random.below(SIZE - READ_BYTES);
      this.#sameAsFriday(from, await friday.read(from, 50_000));
      this.contents.get("origin")!.check(from, await origin.read(from, 20_000));
      this.#goodRequests += 3;
    }
  }

  /** `everything`: read every byte of every export, not only what was touched. */
  async settle(everything: boolean): Promise<void> {
    await this.#quiet();
    const { stderr } = this.volume.server;
    if (!LEGAL_LINES.test(stderr)) throw new Error(`the server said: ${stderr}`);
    let descriptors = descriptorsOf(this.volume.server.pid);
    // The register may just be written.
    for (let tries = 0; descriptors !== this.#descriptors && tries < 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      descriptors = descriptorsOf(this.volume.server.pid);
    }
    if (descriptors !== this.#descriptors)
      throw new Error(`${descriptors} descriptors, there were ${this.#descriptors}`);
    if (this.memory > MEMORY_MAX) throw new Error(`${Math.round(this.memory / MIB)} MiB more than at the start`);
    for (const content of this.contents.values()) await this.#settleContent(content, everything);
    if (everything) {
      for (let at = 0; at < SIZE; at += READ_BYTES) {
        this.#sameAsFriday(at, await this.#clients.friday.read(at, Math.min(READ_BYTES, SIZE - at)));
      }
    }
  }

  /** In good order; its files go. */
  async stop(): Promise<void> {
    const { origin, friday } = this.#clients;
    await origin.disconnect();
    await friday.disconnect();
    await this.volume.remove();
  }

  /** After a failure. */
  async kill(): Promise<void> {
    await this.volume.crash();
    await this.volume.remove();
  }

  get #clients(): { readonly origin: NbdClient; readonly friday: NbdClient } {
    if (this.#good === undefined) throw new Error("the good clients are not connected");
    return this.#good;
  }

  async #settleContent(content: Content, everything: boolean): Promise<void> {
    const client = await this.volume.open(content.name);
    const ranges = everything ? [[0, SIZE] as const] : content.touched;
    for (const [from, to] of ranges) {
      for (let at = from; at < to; at += READ_BYTES)
        content.settle(at, await client.read(at, Math.min(READ_BYTES, to - at)));
    }
    content.forget();
    await client.disconnect();
  }

  /** Nothing of the hostile clients is left. */
  async #quiet(): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const { workers, clients } = await this.volume.server.stats();
      const left = workers.map(({ requests, pieces, slots }) => requests + pieces + slots).reduce((a, b) => a + b);
      if (clients.connections === 2 && clients.handshakes === 0 && left === 0) return;
      if (performance.now() > deadline) throw new Error(`left: ${JSON.stringify({ clients, workers })}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #sameAsFriday(at: number, bytes: Buffer): void {
    if (bytes.equals(this.#friday.subarray(at, at + bytes.length))) return;
    throw new Error(`friday is not what it was, near ${at}`);
  }
}
