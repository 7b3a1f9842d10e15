/**
 * A clock of a worker that runs only while somebody waits for a device that may be slow: an idle worker has no timer, and a busy one none either as
 * long as its devices answer.
 *
 *   start ──▶ a timeout in the ring ──SLOW_MS──▶ fired: a tick ──▶ start, if there is still something to wait for
 */
import { assert } from "../../src/base/assert.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import type { Submissions } from "../../src/ring/submissions.ts";

/** What lasts for a whole one of these ticks is slow; healthy devices are not, even with all segments under way. */
const SLOW_MS = 50;

/** What began at one tick is older than SLOW_MS at the second after it. */
const TICKS = 2;

export class SlowClock {
  readonly #submissions: Submissions;
  readonly #user: number;
  #now = 0;
  #runs = false;

  constructor(submissions: Submissions, user: number) {
    this.#submissions = submissions;
    this.#user = user;
  }

  /** Ticks so far: they mean something only to who has started it. */
  get now(): number {
    return this.#now;
  }

  /** It ticks once. */
  start(): void {
    if (this.#runs) return;
    this.#runs = true;
    this.#submissions.push(IoOp.Timeout, 0, this.#user, 0, 0, 0, SLOW_MS * 1000);
  }

  fired(): void {
    assert(this.#runs, "a clock ticked that does not run");
    this.#runs = false;
    this.#now += 1;
  }

  /** So long ago that it is slow. */
  isSlow(since: number): boolean {
    return this.#now - since >= TICKS;
  }
}
