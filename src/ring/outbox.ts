/**
 * The sending end of a channel: a ring, and a queue for what the ring has no room for.
 *
 *   const at = outbox.begin(kind, volume, token) ─▶ each field of the message: set(outbox.words, at, …) ─▶ the next begin … ─▶ flush
 *
 * The queue is bounded by what may be under way (every message answers or asks for one pooled record), so it is a cushion and
 * not a second ring; order is kept. What finds no room is written into the ring's spill, and goes from there into the queue when the next
 * message begins: so a message's words are always the ring's. `flush` publishes once per turn and wakes the consumer at most once.
 *
 * Between `begin` and the last field nothing else is begun, and nothing flushed: whoever has to call others for a value does so before.
 */
import { assert, VERIFY } from "../base/assert.ts";
import { MAX_VOLUMES } from "../base/constants.ts";
import { KIND_WORD, MESSAGE_WORDS, TOKEN_WORD } from "./message-field.ts";
import { RingProducer, SPILL } from "./spsc-ring.ts";

/** What a field is that nobody has set: a word of an earlier message, or this where it is to be seen. */
const UNSET = 0x5a5a_5a5a;

export class Outbox {
  /** The ring's; a message's begin at what `begin` returned. */
  readonly words: Int32Array;
  readonly #ring: RingProducer;
  readonly #wake: () => void;
  readonly #overflow: Int32Array[] = [];
  /** The spill holds a message, which is behind those in the queue. */
  #spilled = false;

  constructor(memory: SharedArrayBuffer, wake: () => void) {
    this.#ring = new RingProducer(memory);
    this.words = this.#ring.words;
    this.#wake = wake;
  }

  /** A message: its word 0, from which its fields are set, every one of them. `volume`: 0 where it is about none. */
  begin(kind: number, volume: number, token: number): number {
    assert(kind > 0, "a message has a kind");
    assert(volume >= 0 && volume < MAX_VOLUMES, "a message is about a volume, or about none (0)");
    let at = this.#spilled ? -1 : this.#ring.reserve();
    if (at < 0) at = this.#spill();
    const { words } = this;
    if (VERIFY) words.fill(UNSET, at, at + MESSAGE_WORDS);
    words[at + KIND_WORD] = kind | (volume << 16);
    words[at + TOKEN_WORD] = token;
    return at;
  }

  /** A message without fields. */
  send(kind: number, volume: number, token: number): void {
    this.begin(kind, volume, token);
  }

  /** Publish what was sent. True where something is still queued: call again in the next turn. */
  flush(): boolean {
    if (this.#spilled) this.#drain();
    if (this.#ring.publish()) this.#wake();
    return this.#spilled;
  }

  /** Room outside of the ring, which is full, or which others wait for. */
  #spill(): number {
    if (this.#spilled) this.#overflow.push(this.words.slice(SPILL, SPILL + MESSAGE_WORDS));
    this.#spilled = true;
    return SPILL;
  }

  /** What has waited goes into the ring, oldest first; the one in the spill is the last. */
  #drain(): void {
    let moved = 0;
    for (; moved <= this.#overflow.length; moved++) {
      const at = this.#ring.reserve();
      if (at < 0) break;
      if (moved < this.#overflow.length) this.words.set(this.#overflow[moved], at);
      else this.words.copyWithin(at, SPILL, SPILL + MESSAGE_WORDS);
    }
    this.#spilled = moved <= this.#overflow.length;
    this.#overflow.splice(0, moved);
  }
}
