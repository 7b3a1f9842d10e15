/**
 * The opening threads of an engine: piscina pools of one thread each, whose tasks may wait for a device (opening/tasks.ts), so that main never does.
 *
 *   run ─▶ its turn (opening-turns.ts) ─▶ a thread, started where none is free ─▶ the task ends ─▶ its answer
 *    └─ aborted ─▶ the task is told ─▶ it ends soon, or its device hangs: given up, and what it opens later is `late`'s
 *   nothing to do for OPENING_IDLE_MS ─▶ the thread ends: an engine at rest has none
 *
 * Runs on main. It is lazy: an engine that opens nothing loads no piscina.
 */
import { once } from "node:events";
import { isMainThread, type MessagePort, type Worker } from "node:worker_threads";
import type { Piscina } from "piscina";
import { AbortError, throwIfAborted, whenAborted } from "../base/abort-error.ts";
import { OPENING_GRACE_MS, OPENING_IDLE_MS } from "../base/constants.ts";
import { type Answer, answer, doneOf } from "../opening/answer.ts";
import { type AnswerOf, OPENING_TASKS, type OpeningTask, type OrderOf } from "../opening/tasks.ts";
import { type OpeningCall, OpeningCalls } from "./opening-call.ts";
import { OpeningTurns } from "./opening-turns.ts";
import { workerEntry } from "./worker-entry.ts";
import { threadLoss } from "./worker-loss.ts";

/**
 * Tasks that leave descriptors open. In a Worker of the program's, which has the engine, it does them itself, and waits for the device: node closes what a
 * Worker's thread has opened when that thread ends (trackUnmanagedFds is handed down), and what the Worker has opened when it is terminated, which
 * gives the locks up.
 */
const LEAVES_OPEN: readonly OpeningTask[] = ["openDevice", "reopenBuffered"];

export interface RunOptions<T = unknown> {
  readonly port?: MessagePort | undefined;
  readonly stop?: AbortSignal | undefined;
  /** A device that the task uses. Where the task is given up, it is told when that has ended. */
  readonly uses?: { leaveTo(ended: Promise<unknown>): void } | undefined;
  /** A volume that is served waits for it: it needs no turn, and where no thread can be started for it, it is done here, and waits here. */
  readonly urgent?: boolean | undefined;
  /** The task was given up, and has ended with this after all. */
  readonly late?: ((answer: T) => void) | undefined;
}

/** Who has opening threads, or does their tasks otherwise. */
export interface Openings {
  /** Rejects with what the task has thrown, an AbortError, or why there is no thread. */
  run<T extends OpeningTask>(task: T, order: OrderOf<T>, options?: RunOptions<AnswerOf<T>>): Promise<AnswerOf<T>>;
}

async function here<T extends OpeningTask>(task: T, order: OrderOf<T>): Promise<AnswerOf<T>> {
  return await (OPENING_TASKS[task] as (order: OrderOf<T>) => AnswerOf<T> | Promise<AnswerOf<T>>)(order);
}

export class OpeningPool implements Openings {
  /** Each a pool of one thread, which has nothing to do: the one that had last is taken first. */
  readonly #free: Piscina[] = [];
  readonly #turns = new OpeningTurns();
  /** Those that have not ended, also where their pool has done with them. */
  readonly #threads = new Set<Worker>();
  readonly #busy = new Set<Worker>();
  readonly #calls = new OpeningCalls();

  async run<T extends OpeningTask>(
    task: T,
    order: OrderOf<T>,
    options: RunOptions<AnswerOf<T>> = {},
  ): Promise<AnswerOf<T>> {
    const { stop, port, urgent = false } = options;
    throwIfAborted(stop);
    if (!isMainThread && LEAVES_OPEN.includes(task)) return await here(task, order);
    const call = this.#calls.take();
    const posted = urgent ? this.#post(task, order, call, port) : this.#inTurn(task, order, call, port);
    const ended = (urgent ? posted.catch(() => answer(() => here(task, order))) : posted).then(doneOf);
    if (stop !== undefined) return await this.#orGivenUp(ended, stop, call, options);
    try {
      return await ended;
    } finally {
      this.#calls.give(call);
    }
  }

  /**
   * No volume is left. A thread whose device hangs is left alone: it closes what it has opened when the call ends, which nobody can hasten, and ends a while
   * later.
   */
  async close(): Promise<void> {
    const idle = this.#free.splice(0);
    const busy = this.#busy;
    const ended = [...this.#threads].filter((thread) => !busy.has(thread)).map((thread) => once(thread, "exit"));
    await Promise.all(idle.map((pool) => pool.destroy()));
    // A pool does not wait for a thread that is ending already: it has had nothing to do for long enough.
    await Promise.allSettled(ended);
  }

  async #inTurn<T extends OpeningTask>(
    task: T,
    order: OrderOf<T>,
    call: OpeningCall,
    port: MessagePort | undefined,
  ): Promise<Answer<AnswerOf<T>>> {
    const ended = await this.#turns.take();
    try {
      return await this.#post(task, order, call, port);
    } finally {
      ended();
    }
  }

  /** Rejects where no thread does it; then none has begun it, or it has died with it. */
  async #post<T extends OpeningTask>(
    task: T,
    order: OrderOf<T>,
    call: OpeningCall,
    port: MessagePort | undefined,
  ): Promise<Answer<AnswerOf<T>>> {
    // Only now: a bundle that cannot even load it has been told why by then (worker-entry.ts).
    const { Piscina } = await import("piscina");
    const pool = this.#free.pop() ?? startPool(Piscina);
    let fail: ((error: Error) => void) | undefined;
    const failed = new Promise<never>((_, reject) => {
      // A thread that dies before it has taken its task is the pool's error, and the task never ends.
      fail = (error) => {
        if (call.takeBack()) reject(error);
      };
      pool.on("error", fail);
    });
    failed.catch(() => {});
    try {
      const posted = { task, order, words: call.words, port };
      const transferList = port === undefined ? [] : [port];
      const answered = pool.run(posted, { name: "openingTask", transferList });
      this.#watch(pool);
      const answer = await Promise.race([answered, failed]);
      this.#free.push(pool);
      return answer;
    } catch (error) {
      // The pool may hold it still, and is not used again: a later thread must not do what nobody waits for, or what has been done here.
      call.takeBack();
      // Want of memory has words of its own (refusal.ts).
      throw error instanceof RangeError ? error : threadLoss("the opening thread", true, error);
    } finally {
      if (fail !== undefined) pool.off("error", fail);
      for (const thread of pool.threads) this.#busy.delete(thread);
    }
  }

  /** Threads start with a task, and the pool tells nobody when they have ended. */
  #watch({ threads }: Piscina): void {
    for (const thread of threads) {
      this.#busy.add(thread);
      if (this.#threads.has(thread)) continue;
      this.#threads.add(thread);
      thread.once("exit", () => this.#threads.delete(thread));
    }
  }

  #orGivenUp<T>(ended: Promise<T>, stop: AbortSignal, call: OpeningCall, { uses, late }: RunOptions<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let isGivenUp = false;
      const giveUp = (): void => {
        isGivenUp = true;
        // What only waited for its turn never begins.
        const isStuck = !call.takeBack();
        uses?.leaveTo(ended);
        reject(new AbortError(stop, isStuck));
      };
      const tell = (): void => {
        call.stop();
        timer = setTimeout(giveUp, OPENING_GRACE_MS);
      };
      whenAborted(stop, tell, ended);
      // After those who might stop it have let go of it.
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        if (isGivenUp) return;
        this.#calls.give(call);
        settle();
      };
      ended.then(
        (value) => {
          end(() => resolve(value));
          if (isGivenUp) late?.(value);
        },
        (error: unknown) => end(() => reject(stop.aborted ? new AbortError(stop) : (error as Error))),
      );
    });
  }
}

/**
 * One thread at most, and one task at a time: then a thread is started by `run` alone, which says so where none can be had. A pool of several starts them from
 * events, too, where nobody hears of it, and after one that was refused as many as it may have at once.
 */
function startPool(Pool: typeof Piscina): Piscina {
  const pool = new Pool({
    filename: workerEntry("opening"),
    minThreads: 0,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    idleTimeout: OPENING_IDLE_MS,
    atomics: "disabled",
    // What it opens is main's, and outlives it.
    trackUnmanagedFds: false,
  });
  pool.on("error", () => {});
  return pool;
}
