/**
 * A copy or metadata worker's loop on one thread, over a ring in memory; the test is main.
 *
 *   main (Outbox) ──▶ loop ──▶ answers, by their first words
 */
import { createCounters } from "../../src/ring/counters.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../src/ring/spsc-ring.ts";
import type { WorkerLoop } from "../../workers/drive.ts";
import type { FakeRing } from "./fake-ring.ts";

const CAPACITY = 512;
/** Turns without an end are a loop that spins. */
const TURNS_MAX = 20_000;

/** What every loop is made of. */
export interface LoopEnds {
  readonly ring: FakeRing;
  readonly inbox: RingConsumer;
  readonly outbox: Outbox;
  readonly counters: Float64Array;
  readonly control: () => void;
}

export class TurnedLoop<L extends WorkerLoop> {
  readonly ring: FakeRing;
  readonly loop: L;
  readonly main: Outbox;
  readonly answers: number[][] = [];
  readonly #inbox: RingConsumer;
  readonly #answerWords: number;
  #completions = 0;

  /** `answerWords`: how many words of an answer the test wants to see. */
  constructor(ring: FakeRing, answerWords: number, make: (ends: LoopEnds) => L) {
    const toWorker = createRing(CAPACITY);
    const toMain = createRing(CAPACITY);
    this.ring = ring;
    this.main = new Outbox(toWorker, () => {});
    this.#inbox = new RingConsumer(toMain);
    this.#answerWords = answerWords;
    this.loop = make({
      ring,
      inbox: new RingConsumer(toWorker),
      outbox: new Outbox(toMain, () => {}),
      counters: new Float64Array(createCounters()),
      control: () => {},
    });
  }

  /** Turn until nothing moves. */
  run(): void {
    for (let turns = 0, idle = 0; idle < 3; turns++) {
      if (turns === TURNS_MAX) throw new Error("the loop never comes to an end");
      this.loop.step(this.#completions);
      const count = this.loop.submissions.take();
      this.#completions = this.ring.turn(count, false);
      idle = count === 0 && this.#completions === 0 ? idle + 1 : 0;
      for (let at = this.#inbox.peek(); at >= 0; at = this.#inbox.peek()) {
        this.answers.push([...this.#inbox.words.subarray(at, at + this.#answerWords)]);
        this.#inbox.advance();
      }
    }
  }
}
