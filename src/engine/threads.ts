/**
 * The threads of an engine, which serve all of its volumes: export workers, copy workers, and the metadata worker. (Those that open volumes come and
 * go: opening-pool.ts.)
 *
 *   openThreads ─▶ spawn, wait until each has its ring ─▶ … ─▶ stop(role): Stop through the ring, Stopped back, thread ends
 *
 * A worker is always told to stop, and ends by itself, so that it leaves nothing half done. One that is terminated (with the program, or the
 * Worker that opened the engine) ends as in a crash: see docs/RELIABILITY.md. What an opening has begun when one of its steps fails is
 * taken back: channels are closed, threads that run are ended.
 */
import { Worker } from "node:worker_threads";
import { ABANDON_GRACE_MS } from "../base/constants.ts";
import { COPY_ARENA_BYTES } from "../ring/copy-arena.ts";
import { EXPORT_ARENA_BYTES } from "../ring/export-arena.ts";
import { Message, StopHow } from "../ring/messages.ts";
import { Stop } from "../ring/to-workers.ts";
import { METADATA_ARENA_BYTES } from "../ring/metadata-arena.ts";
import type { ExportWorkerData, RingMode, WakeHandle } from "../ring/worker-data.ts";
import { workerEntry } from "./worker-entry.ts";
import { workerLoss } from "./worker-loss.ts";
import { Channel, type ChannelOptions, type WorkerRole } from "./channel.ts";

/** A loop allocates next to nothing: room for garbage would only fill up over the days, in every thread. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 3 };

export interface ThreadOptions {
  readonly exportWorkers: number;
  readonly copyWorkers: number;
  readonly mode: RingMode;
  readonly wakeMain: WakeHandle;
  readonly exportData: Omit<ExportWorkerData, "worker">;
  /** A worker has died of an error: the engine cannot go on. */
  readonly died: (error: Error) => void;
}

export class Threads {
  readonly exports: Channel[] = [];
  readonly copies: Channel[] = [];
  readonly metadata: Channel;
  readonly all: readonly Channel[];
  readonly #exits = new Map<Channel, Promise<unknown>>();
  #abandoned: Promise<void> | undefined;

  private constructor(options: ThreadOptions) {
    const { exportWorkers, copyWorkers, mode, wakeMain } = options;
    const made: Channel[] = [];
    const make = (role: WorkerRole, index: number, arenaBytes: number): Channel => {
      const channel: ChannelOptions = { role, index, arenaBytes, mode, wakeMain };
      made.push(new Channel(channel));
      return made[made.length - 1];
    };
    try {
      for (let i = 0; i < exportWorkers; i++) this.exports.push(make("export", i, EXPORT_ARENA_BYTES));
      for (let i = 0; i < copyWorkers; i++) this.copies.push(make("copy", i, COPY_ARENA_BYTES));
      this.metadata = make("metadata", 0, METADATA_ARENA_BYTES);
    } catch (error) {
      for (const channel of made) channel.close();
      throw error;
    }
    this.all = [...this.exports, ...this.copies, this.metadata];
  }

  /** Resolves when every worker has its ring. */
  static async open(options: ThreadOptions): Promise<Threads> {
    const threads = new Threads(options);
    const ready: Promise<void>[] = [];
    try {
      ready.push(threads.#spawn(threads.metadata, {}, options));
      for (const [worker, channel] of threads.exports.entries()) {
        ready.push(threads.#spawn(channel, { ...options.exportData, worker }, options));
      }
      for (const channel of threads.copies) ready.push(threads.#spawn(channel, {}, options));
      await Promise.all(ready);
    } catch (error) {
      // Those that have begun would keep the process alive.
      await Promise.allSettled(ready);
      await threads.abandon();
      throw error;
    }
    return threads;
  }

  /** No volume is served any more: resolves when every thread has ended. */
  async stop(): Promise<void> {
    await (this.#abandoned ?? this.#end(StopHow.Drain));
  }

  /** A worker has died: nobody waits for it, or for what main would have answered. Resolves when every thread has ended. */
  abandon(): Promise<void> {
    this.#abandoned ??= this.#end(StopHow.Abandon);
    return this.#abandoned;
  }

  async #end(how: StopHow): Promise<void> {
    const ending = this.all.filter((channel) => !channel.isClosed);
    const tell = (stop: StopHow): void => {
      for (const channel of ending) {
        channel.told = true;
        if (channel.dead || channel.isClosed) continue;
        const { outbox } = channel;
        const at = outbox.begin(Message.Stop, 0, 0);
        Stop.how.set(outbox.words, at, stop);
        outbox.flush();
      }
    };
    tell(how);
    // Clients who have entered nothing yet, and those of an engine that has failed.
    const grace = setTimeout(() => tell(StopHow.Cut), ABANDON_GRACE_MS);
    // What main must have heard from a worker before its thread is let go.
    if (how === StopHow.Drain) await Promise.all(ending.map((channel) => channel.stopped));
    await Promise.all(ending.map((channel) => this.#exits.get(channel)));
    clearTimeout(grace);
    for (const channel of ending) channel.close();
  }

  #spawn(channel: Channel, data: object, options: ThreadOptions): Promise<void> {
    const worker = new Worker(workerEntry(channel.role), {
      workerData: { ...channel.workerData, ...data, port: channel.workerPort },
      transferList: [channel.workerPort],
      name: `snapring ${channel.role} ${channel.index}`,
      resourceLimits: WORKER_LIMITS,
    });
    this.#exits.set(channel, new Promise((resolve) => worker.once("exit", resolve)));
    return new Promise((resolve, reject) => {
      worker.once("message", (message: { ready: string }) => {
        channel.ringKind = message.ready;
        resolve();
      });
      worker.once("error", (cause) => reject(lost(channel, cause, options)));
      worker.once("exit", (code) => {
        if (!channel.told) reject(lost(channel, new Error(`its thread has ended by itself (${code})`), options));
      });
    });
  }
}

/** A worker's thread is gone, by an error or without one: says so, once. */
function lost(channel: Channel, cause: unknown, options: ThreadOptions): Error {
  const error = workerLoss(channel, cause);
  if (channel.dead) return error;
  channel.failed(error);
  options.died(error);
  return error;
}
