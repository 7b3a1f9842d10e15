/**
 * Entry of an opening thread: tasks of a piscina pool, which come to their ends (src/opening/tasks.ts).
 *
 * It may wait for a device as long as that takes: nobody is served from here.
 */
import { isMainThread, type MessagePort } from "node:worker_threads";
import { callInThisThread } from "../src/device/file-calls.ts";
import { SnapringError } from "../src/base/errno.ts";
import { type Answer, answer } from "../src/opening/answer.ts";
import { type AnswerOf, OPENING_TASKS, type OpeningTask, type OrderOf, type TaskMeans } from "../src/opening/tasks.ts";

// A unit test does its tasks in a thread of its own.
if (!isMainThread) callInThisThread();

export interface TaskCall<T extends OpeningTask = OpeningTask> {
  readonly task: T;
  readonly order: OrderOf<T>;
  /** See engine/opening-call.ts. */
  readonly words: Int32Array;
  readonly port: MessagePort | undefined;
}

/** The task. */
export async function openingTask<T extends OpeningTask>(call: TaskCall<T>): Promise<Answer<AnswerOf<T>>> {
  const { task, order, words, port } = call;
  const body = OPENING_TASKS[task] as (order: OrderOf<T>, means: TaskMeans) => AnswerOf<T> | Promise<AnswerOf<T>>;
  const answered = await answer(() => {
    const isFirst = Atomics.compareExchange(words, 1, 0, 1) === 0;
    if (!isFirst || Atomics.load(words, 0) !== 0) throw new SnapringError("ECANCELED", "the opening was given up");
    return body(order, { stop: words, port });
  });
  port?.close();
  return answered;
}
