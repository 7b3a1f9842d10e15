/** The tasks of opening threads, done where they are asked for: a unit test needs no thread. What travels is cloned all the same. */
import { throwIfAborted } from "../../src/base/abort-error.ts";
import type { Openings, RunOptions } from "../../src/engine/opening-pool.ts";
import { doneOf } from "../../src/opening/answer.ts";
import type { AnswerOf, OpeningTask, OrderOf } from "../../src/opening/tasks.ts";
import { openingTask, type TaskCall } from "../../workers/opening-worker.ts";

export const inlineOpenings: Openings = {
  async run<T extends OpeningTask>(task: T, order: OrderOf<T>, options: RunOptions = {}): Promise<AnswerOf<T>> {
    const { port, stop: signal } = options;
    throwIfAborted(signal);
    const words = new Int32Array(new SharedArrayBuffer(8));
    signal?.addEventListener("abort", () => Atomics.store(words, 0, 1));
    const transfer = port === undefined ? [] : [port];
    const call: TaskCall<T> = structuredClone({ task, order, words, port }, { transfer });
    const answered = await openingTask<T>(call);
    throwIfAborted(signal);
    return structuredClone(doneOf(answered)) as AnswerOf<T>;
  },
};
