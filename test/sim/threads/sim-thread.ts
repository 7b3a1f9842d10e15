/**
 * A worker without its thread: a loop that is given its turns, and sleeps and wakes by the same words as the real one (drive.ts).
 *
 * One turn is one step of the loop and one turn of its ring. While it sleeps only a completion can wake it, the one of the
 * eventfd among them: a wake-up that is lost is a request that is never answered.
 */
import { createCounters } from "../../../src/ring/counters.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../../src/ring/spsc-ring.ts";
import type { WorkerLoop } from "../../../workers/drive.ts";
import { turnPasses } from "../sim-clock.ts";
import type { SimRing } from "./sim-ring.ts";

/** Both ends of the rings between main and one worker. */
export class SimChannel {
  readonly role: string;
  readonly index: number;
  readonly arena: SharedArrayBuffer;
  readonly inbox: RingConsumer;
  readonly outbox: Outbox;
  readonly toWorker: SharedArrayBuffer;
  readonly toMain: SharedArrayBuffer;
  readonly counters: Float64Array<SharedArrayBuffer>;
  /** Control messages that the worker has not taken. */
  readonly controls: unknown[] = [];
  readonly #taken: (() => void)[] = [];

  constructor(role: string, index: number, arena: SharedArrayBuffer, capacity: number, wake: () => void) {
    this.role = role;
    this.index = index;
    this.arena = arena;
    this.toWorker = createRing(capacity);
    this.toMain = createRing(capacity);
    this.counters = new Float64Array(createCounters());
    this.inbox = new RingConsumer(this.toMain);
    this.outbox = new Outbox(this.toWorker, wake);
  }

  /** `taken` is called when the worker has taken it. */
  expect(control: unknown, taken: () => void): void {
    this.controls.push(control);
    this.#taken.push(taken);
  }

  controlTaken(): void {
    this.#taken.shift()?.();
  }

  hasStopped(): void {}
}

export class SimThread {
  readonly channel: SimChannel;
  readonly ring: SimRing;
  readonly #loop: WorkerLoop;
  #completions = 0;
  #asleep = false;

  constructor(channel: SimChannel, ring: SimRing, loop: WorkerLoop) {
    this.channel = channel;
    this.ring = ring;
    this.#loop = loop;
  }

  /** A turn would do something. */
  get isRunnable(): boolean {
    return !this.#asleep || this.ring.hasWork;
  }

  turn(): void {
    turnPasses();
    if (this.#asleep) {
      this.#completions = this.ring.turn(0, true);
      if (this.#completions === 0) return;
      this.#asleep = false;
      this.#loop.awake();
    }
    this.#loop.step(this.#completions);
    const sleep = this.#loop.prepareSleep();
    this.#completions = this.ring.turn(this.#loop.submissions.take(), sleep);
    this.#asleep = sleep && this.#completions === 0;
    if (!this.#asleep) this.#loop.awake();
  }
}
