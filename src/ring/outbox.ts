/**
 * The sending end of a channel: a ring, and a queue for what the ring has no room for.
 *
 * The queue is bounded by what may be under way (every message answers or asks for one pooled record), so it is a cushion and
 * not a second ring; order is kept. `flush` publishes once per turn and wakes the consumer at most once.
 */
import { assert } from "../base/assert.ts";
import { RingProducer } from "./spsc-ring.ts";

export class Outbox {
  readonly #ring: RingProducer;
  readonly #wake: () => void;
  readonly #overflow: Int32Array[] = [];

  constructor(memory: SharedArrayBuffer, wake: () => void) {
    this.#ring = new RingProducer(memory);
    this.#wake = wake;
  }

  send(kind: number, token: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    const at = this.#overflow.length === 0 ? this.#ring.reserve() : -1;
    if (at < 0) {
      this.#overflow.push(Int32Array.of(kind, token, a, b, c, d, e, f));
      return;
    }
    const words = this.#ring.words;
    assert(kind > 0, "a message has a kind");
    words[at] = kind;
    words[at + 1] = token;
    words[at + 2] = a;
    words[at + 3] = b;
    words[at + 4] = c;
    words[at + 5] = d;
    words[at + 6] = e;
    words[at + 7] = f;
  }

  /** Publish what was sent. True where something is still queued: call again in the next turn. */
  flush(): boolean {
    let moved = 0;
    while (moved < this.#overflow.length) {
      const at = this.#ring.reserve();
      if (at < 0) break;
      this.#ring.words.set(this.#overflow[moved], at);
      moved += 1;
    }
    if (moved > 0) this.#overflow.splice(0, moved);
    if (this.#ring.publish()) this.#wake();
    return this.#overflow.length > 0;
  }
}
