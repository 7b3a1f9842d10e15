/**
 * The threads of a volume: export workers, the metadata worker, and copy workers in a piscina pool.
 *
 *   openThreads ─▶ spawn, wait until each has its ring ─▶ … ─▶ stop(role): Stop through the ring, Stopped back, thread ends
 *
 * A worker that blocks in its ring cannot be terminated safely: it is always told to stop, and ends by itself.
 */
import { Worker } from "node:worker_threads";
import type { Piscina } from "piscina";
import { CLOSE_GRACE_MS } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import { COPY_ARENA_BYTES } from "../ring/copy-arena.ts";
import { EXPORT_ARENA_BYTES } from "../ring/export-arena.ts";
import { Message, StopHow } from "../ring/messages.ts";
import { METADATA_ARENA_BYTES } from "../ring/metadata-arena.ts";
import type { ExportWorkerData, RingMode, WakeHandle } from "../ring/worker-data.ts";
import { workerEntry } from "./worker-entry.ts";
import { Channel, type ChannelOptions, type WorkerRole } from "./channel.ts";

/** A loop allocates next to nothing: room for garbage would only fill up over the days, in every thread. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 3 };

export interface ThreadOptions {
  readonly exportWorkers: number;
  readonly copyWorkers: number;
  readonly mode: RingMode;
  readonly wakeMain: WakeHandle;
  readonly originFd: number;
  readonly originInline: boolean;
  readonly exportData: Omit<ExportWorkerData, "worker">;
  /** A worker has died of an error: the volume cannot go on. */
  readonly died: (channel: Channel, error: Error) => void;
}

export class Threads {
  readonly exports: Channel[] = [];
  readonly copies: Channel[] = [];
  readonly metadata: Channel;
  readonly all: readonly Channel[];
  readonly #exits = new Map<Channel, Promise<unknown>>();
  readonly #pool: Piscina;

  private constructor(options: ThreadOptions, pool: Piscina) {
    const { exportWorkers, copyWorkers, mode, wakeMain, originFd, originInline } = options;
    const make = (role: WorkerRole, index: number, arenaBytes: number): Channel => {
      const channel: ChannelOptions = { role, index, arenaBytes, mode, wakeMain, originFd, originInline };
      return new Channel(channel);
    };
    for (let i = 0; i < exportWorkers; i++) this.exports.push(make("export", i, EXPORT_ARENA_BYTES));
    for (let i = 0; i < copyWorkers; i++) this.copies.push(make("copy", i, COPY_ARENA_BYTES));
    this.metadata = make("metadata", 0, METADATA_ARENA_BYTES);
    this.all = [...this.exports, ...this.copies, this.metadata];
    this.#pool = pool;
  }

  /** Resolves when every worker has its ring. */
  static async open(options: ThreadOptions): Promise<Threads> {
    // Only now: a bundle that cannot even load it has been told why by then (worker-entry.ts).
    const { Piscina } = await import("piscina");
    const pool = new Piscina({
      filename: workerEntry("copy"),
      minThreads: options.copyWorkers,
      maxThreads: options.copyWorkers,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: "disabled",
      resourceLimits: WORKER_LIMITS,
    });
    const threads = new Threads(options, pool);
    const ready = [
      threads.#spawn(threads.metadata, {}, options),
      ...threads.exports.map((channel, worker) => threads.#spawn(channel, { ...options.exportData, worker }, options)),
    ];
    ready.push(...threads.copies.map((channel) => threads.#runCopyTask(channel, options)));
    try {
      await Promise.all(ready);
    } catch (error) {
      // Those that have begun would keep the process alive.
      await Promise.allSettled(ready);
      await threads.abandon();
      throw error;
    }
    return threads;
  }

  /** Stop workers that have nothing left to do but what is under way; resolves when their threads have ended. */
  async stop(channels: readonly Channel[]): Promise<void> {
    await this.#end(channels, StopHow.Drain, (channel) => channel.stopped);
  }

  /** A worker has died: nobody waits for it, or for what main would have answered. Resolves when every thread has ended. */
  async abandon(): Promise<void> {
    await this.#end(this.all, StopHow.Abandon, () => undefined);
  }

  /** `said`: what main must have heard from a worker before its thread is let go. */
  async #end(channels: readonly Channel[], how: StopHow, said: (channel: Channel) => unknown): Promise<void> {
    const ending = channels.filter((channel) => !channel.isClosed);
    const tell = (stop: StopHow): void => {
      for (const channel of ending) {
        channel.told = true;
        if (channel.dead || channel.isClosed) continue;
        channel.outbox.send(Message.Stop, 0, stop);
        channel.outbox.flush();
      }
    };
    tell(how);
    const grace = setTimeout(() => tell(StopHow.Cut), CLOSE_GRACE_MS);
    await Promise.all(ending.map(said));
    await Promise.all(ending.map((channel) => this.#exits.get(channel)));
    clearTimeout(grace);
    for (const channel of ending) channel.close();
    if (ending.some((channel) => channel.role === "copy")) await this.#pool.destroy();
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

  /** A task ends only with its worker: that it has begun, and with which ring, comes through its port. */
  #runCopyTask(channel: Channel, options: ThreadOptions): Promise<void> {
    const ready = channel.ready();
    const task = this.#pool.run(
      { ...channel.workerData, port: channel.workerPort },
      { name: "copyWorker", transferList: [channel.workerPort] },
    );
    return new Promise((resolve, reject) => {
      ready.then(resolve);
      const done = task.then(
        () => {
          if (!channel.told) reject(lost(channel, new Error("its task has ended by itself"), options));
        },
        (cause: unknown) => reject(lost(channel, cause, options)),
      );
      this.#exits.set(channel, done);
    });
  }
}

/** A worker's thread is gone, by an error or without one: says so, once. */
function lost(channel: Channel, cause: unknown, options: ThreadOptions): Error {
  const text = cause instanceof Error ? cause.message : String(cause);
  const error = new SnapringError("EIO", `${channel.role} worker ${channel.index} has died: ${text}`, { cause });
  if (channel.dead) return error;
  channel.failed(error);
  options.died(channel, error);
  return error;
}
