/**
 * A run of soaked volumes in one process, for as long as it is told: one volume, or several on one engine (soaked-volume.ts), all at a pace.
 *
 *   volumes' users and schedules ──▶ server.ts (built library, real threads) ◀── facts: memory, descriptors, statistics
 *
 * At the end everybody leaves, every byte is read, everything must be free, every volume is closed, opened again, and read once more.
 */
import { OPENING_IDLE_MS } from "../../src/base/constants.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { RemoteServer } from "./remote-server.ts";
import type { Facts } from "./server.ts";
import { sleep, SoakedVolume } from "./soaked-volume.ts";

const MIB = 2 ** 20;
const WATCH_MS = 200;
/** Looks at COW devices that are later than this hold users up. */
const LOOKS_LATE_MS: number = 2 * WATCH_MS;
/** How much more memory than after the warm-up is no leak: arenas that are touched for the first time, and the garbage collector's mood. */
const MEMORY_TOLERANCE: number = 48 * MIB;
/** Runs shorter than this say nothing about memory. */
const FLAT_FROM_MS = 120_000;

export interface SoakOptions {
  readonly seed: number;
  readonly milliseconds: number;
  /** Requests per second, of all users together. */
  readonly rate: number;
  /** One has an engine of its own, several share one. */
  readonly volumes?: number;
  readonly progress: (line: string) => void;
}

export class Soak {
  readonly #count = { requests: 0, connections: 0 };
  readonly #options: SoakOptions;
  readonly #scratch: Scratch;
  readonly #server: RemoteServer;
  readonly #volumes: readonly SoakedVolume[];
  #turn = 0;
  /** Made since COW devices were looked at last. */
  #unseen = 0;
  /** What failed, and what it made fail. */
  readonly #failed: Error[] = [];
  readonly #memory: { readonly at: number; readonly bytes: number }[] = [];
  #descriptorsMost = 0;
  #start = 0;

  private constructor(options: SoakOptions, scratch: Scratch) {
    const { seed, volumes = 1 } = options;
    this.#options = options;
    this.#scratch = scratch;
    this.#server = new RemoteServer((event, volume, name, error) =>
      this.#volumes.find((one) => one.name === volume)?.heard(event, name, error),
    );
    const load = {
      address: { path: scratch.file("socket") },
      count: this.#count,
      isRunning: () => this.#isRunning(),
      failed: (error: Error) => void this.#failed.push(error),
      pace: (requests: number) => this.#pace(requests),
      order: this.#server.order.bind(this.#server),
      file: scratch.file,
    };
    const names = volumes === 1 ? [""] : Array.from({ length: volumes }, (_, i) => `v${i}`);
    this.#volumes = names.map(
      (name, i) => new SoakedVolume(load, { name, seed: seed + i, listen: [`unix:${scratch.file("socket")}`] }),
    );
  }

  /** Throws what was wrong; resolves with a summary. */
  static async run(options: SoakOptions): Promise<string> {
    const soak = new Soak(options, await makeScratch());
    try {
      return await soak.#run();
    } catch (error) {
      // A client that gets EIO may be heard of before the event that says why.
      await sleep(WATCH_MS);
      throw soak.#failed.length > 0 ? new AggregateError(soak.#failed, soak.#failed.map(String).join("\n")) : error;
    } finally {
      await soak.#server.end();
      await soak.#scratch.remove();
    }
  }

  async #run(): Promise<string> {
    const volumes = this.#volumes;
    if (volumes.length > 1) {
      const options = { listen: [`unix:${this.#scratch.file("socket")}`], workers: 2 };
      await this.#server.order({ order: "start", options });
    }
    for (const volume of volumes) await volume.begin();
    const first = await this.#factsAtRest();
    this.#start = performance.now();
    await Promise.all([...volumes.map((volume) => volume.run()), this.#watch()]);
    if (this.#count.requests === 0) throw new Error("nothing was run: the time was too short for a request");
    await this.#finish(first);
    return this.#line();
  }

  #isRunning(): boolean {
    if (this.#failed.length > 0) throw this.#failed[0];
    return performance.now() < this.#start + this.#options.milliseconds;
  }

  /** Where looks at COW devices are late, on a machine that is busy, users wait for them: a device that nobody lets grow becomes full. */
  async #pace(requests: number): Promise<void> {
    while (this.#unseen > (this.#options.rate * LOOKS_LATE_MS) / 1000 && this.#isRunning()) await sleep(10);
    this.#unseen += requests;
    const now = performance.now();
    this.#turn = Math.max(this.#turn, now - 100) + (requests * 1000) / this.#options.rate;
    await sleep(this.#turn - now);
  }

  /** Lets COW devices grow, takes samples, tells how it goes. */
  async #watch(): Promise<void> {
    for (let shown = performance.now(); this.#isRunning(); ) {
      await sleep(WATCH_MS);
      const facts = await this.#server.facts();
      this.#memory.push({ at: performance.now() - this.#start, bytes: facts.residentBytes });
      this.#descriptorsMost = Math.max(this.#descriptorsMost, facts.descriptors);
      for (const volume of this.#volumes) await volume.look(facts);
      this.#unseen = 0;
      if (performance.now() < shown + 10_000) continue;
      shown = performance.now();
      this.#options.progress(this.#line());
    }
  }

  async #finish(first: Facts): Promise<void> {
    for (const volume of this.#volumes) await volume.usersLeave();
    for (const volume of this.#volumes) await volume.readAll();
    await this.#allFree();
    this.#flat();
    for (const volume of this.#volumes) await volume.reopen();
    const last = await this.#settledFacts((facts) => facts.descriptors === first.descriptors);
    if (last.descriptors !== first.descriptors)
      throw new Error(`${last.descriptors} descriptors, there were ${first.descriptors}`);
    for (const volume of this.#volumes) await volume.close();
    await this.#server.order({ order: "end" });
    if (this.#failed.length > 0) throw this.#failed[0];
    const said = this.#server.stderr.split("\n").filter((line) => /assert|error|warning/i.test(line));
    if (said.length > 0) throw new Error(said.join("\n"));
  }

  async #allFree(): Promise<void> {
    const used = ({ stats }: Facts): number =>
      Object.values(stats).reduce(
        (all, { clients, workers, snapshots }) =>
          all +
          clients.connections +
          workers.reduce((sum, { requests, pieces, slots }) => sum + requests + pieces + slots, 0) +
          snapshots.reduce((sum, { pending }) => sum + pending, 0),
        0,
      );
    const facts = await this.#settledFacts((now) => used(now) === 0);
    if (used(facts) > 0) throw new Error(`something is left: ${JSON.stringify(facts.stats)}`);
  }

  /** Threads that opened something have ended: they have descriptors, and go when they have had nothing to do for OPENING_IDLE_MS. */
  async #factsAtRest(): Promise<Facts> {
    let facts = await this.#server.facts();
    for (let rest = 2 * OPENING_IDLE_MS; rest > 0; rest -= 100) {
      await sleep(100);
      const now = await this.#server.facts();
      if (now.descriptors !== facts.descriptors) rest = 2 * OPENING_IDLE_MS;
      facts = now;
    }
    return facts;
  }

  /** The facts when they are so, or after a while. */
  async #settledFacts(right: (facts: Facts) => boolean): Promise<Facts> {
    for (let rest = 10_000; ; rest -= 50) {
      const facts = await this.#server.facts();
      if (right(facts) || rest <= 0) return facts;
      await sleep(50);
    }
  }

  /** After the first quarter memory grows no more. */
  #flat(): void {
    const { milliseconds } = this.#options;
    if (milliseconds < FLAT_FROM_MS) return;
    const level = this.#level(0.25, 0.4);
    const end = this.#level(0.85, 1);
    if (end - level > MEMORY_TOLERANCE) throw new Error(`memory grew from ${level} to ${end} bytes`);
  }

  #level(from: number, to: number): number {
    const { milliseconds } = this.#options;
    const part = this.#memory
      .filter(({ at }) => at >= from * milliseconds && at <= to * milliseconds)
      .map(({ bytes }) => bytes);
    return part.sort((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0;
  }

  #line(): string {
    const { requests, connections } = this.#count;
    const sum = (what: keyof SoakedVolume["done"]): number =>
      this.#volumes.reduce((all, { done }) => all + done[what], 0);
    const lives = `${sum("created")} snapshots made, ${sum("dropped")} dropped, ${sum("merged")} merged, ${sum("grown")} times grown`;
    const closed = this.#volumes.length === 1 ? "" : `, ${sum("closed")} times a volume closed and opened`;
    const memory = this.#memory.length === 0 ? 0 : Math.round(this.#memory.at(-1)!.bytes / MIB);
    const levels = `${Math.round(this.#level(0.25, 0.4) / MIB)} → ${Math.round(this.#level(0.85, 1) / MIB)}`;
    const seconds = Math.round((performance.now() - this.#start) / 1000);
    const descriptors = `at most ${this.#descriptorsMost} descriptors`;
    return `${seconds} s: ${requests} requests, ${connections} connections, ${lives}${closed}, ${memory} MiB (${levels}), ${descriptors}`;
  }
}
