/**
 * Two words that main and the thread of a task share (opening/tasks.ts), while it is asked for and done.
 *
 *   word 0   0, or 1: nobody wants it any more
 *   word 1   0: waits    1: begun, by the thread    2: taken back by main, which may do it itself; whoever comes first has it
 *
 * A block of them is made with the first, so that nothing of what a volume's end needs has to be allocated then.
 */
import { TASK_WORDS } from "../opening/tasks.ts";

const BLOCK = 64;
const STOP = 0;
const STATE = 1;
const TAKEN_BACK = 2;

export class OpeningCall {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** Nobody wants it any more: it ends soon, if its device lets it. */
  stop(): void {
    Atomics.store(this.words, STOP, 1);
  }

  get isTakenBack(): boolean {
    return Atomics.load(this.words, STATE) === TAKEN_BACK;
  }

  /** True: no thread has begun it, and none will. */
  takeBack(): boolean {
    return Atomics.compareExchange(this.words, STATE, 0, TAKEN_BACK) === 0;
  }
}

export class OpeningCalls {
  readonly #free: OpeningCall[] = [];

  take(): OpeningCall {
    if (this.#free.length === 0) {
      const block = new Int32Array(new SharedArrayBuffer(BLOCK * TASK_WORDS * Int32Array.BYTES_PER_ELEMENT));
      for (let at = 0; at < block.length; at += TASK_WORDS)
        this.#free.push(new OpeningCall(block.subarray(at, at + TASK_WORDS)));
    }
    const call = this.#free.pop() as OpeningCall;
    call.words.fill(0);
    return call;
  }

  /** It has ended, and whoever might stop it has let go of it. What was taken back lies in a queue still, and is not used again. */
  give(call: OpeningCall): void {
    if (!call.isTakenBack) this.#free.push(call);
  }
}
