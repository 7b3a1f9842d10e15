/**
 * The eventfd on which a worker sleeps in its ring: one read of it is always under way, so that a signal from another
 * thread is a completion like any other.
 */
import { assert } from "../src/base/assert.ts";
import { IoOp } from "../src/ring/io-descriptor.ts";
import { WAKE_FILE } from "../src/ring/file-table.ts";
import type { Submissions } from "../src/ring/submissions.ts";

export class WakeUp {
  readonly #submissions: Submissions;
  readonly #user: number;
  readonly #address: number;
  #armed = false;

  /** `address`: 8 bytes of the arena. */
  constructor(submissions: Submissions, user: number, address: number) {
    this.#submissions = submissions;
    this.#user = user;
    this.#address = address;
  }

  /** Its completion came. */
  fired(): void {
    assert(this.#armed, "a wake-up that was not waited for");
    this.#armed = false;
  }

  /** Before the end of every step. */
  arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#submissions.push(IoOp.EventRead, WAKE_FILE, this.#user, this.#address, 8, 0, 0);
  }
}
