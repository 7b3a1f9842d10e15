/**
 * Turns of a worker's loop on its ring: the same for every role.
 *
 *   step: completions, then messages, then what they make possible; fills the batch
 *   turn: the batch goes to the kernel in one call, which sleeps if nothing is left to do
 *
 * A worker that was asked to busy-poll does not sleep at once: it goes on with turns that do not wait, in which its inbox is looked at,
 * too. Nobody has to wake it meanwhile.
 *
 * A turn that was to sleep and comes back with nothing says that the thread's own event loop has something to do. It has its turn then:
 * so a worker ends with `process.exit` or an exception of the program around it, or when its opener is terminated, wherever it
 * sleeps. Nothing else of a worker waits for the event loop, and an idle one has no timer.
 *
 * The loop is a plain object, so that a simulator may turn several of them on one thread in an order of its own.
 */
import { setImmediate } from "node:timers/promises";
import { assert } from "../src/base/assert.ts";
import type { IoRing } from "../src/device/port.ts";
import { WorkerCounter } from "../src/ring/counters.ts";
import type { Submissions } from "../src/ring/submissions.ts";
import type { BusyPoll } from "./busy-poll.ts";

export interface WorkerLoop {
  readonly submissions: Submissions;
  readonly counters: Float64Array;
  readonly ended: boolean;
  /** `completions` are in the ring's completion array. */
  step(completions: number): void;
  /** True: nothing is left to do until a completion comes (the wake-up is one). */
  prepareSleep(): boolean;
  awake(): void;
}

/**
 * A worker publishes its ring's totals before a sleep, once in so many turns: asking the ring costs a good part of a turn that serves
 * one request, so they may lag behind by so many. A worker that never sleeps publishes them every COUNT_EVERY turns.
 */
const COUNT_BEFORE_SLEEP = 32;
const COUNT_EVERY = 256;

/** Resolves when the loop has ended. */
export async function drive(loop: WorkerLoop, ring: IoRing, busyPoll?: BusyPoll): Promise<void> {
  while (!turns(loop, ring, busyPoll)) await setImmediate();
}

/** True: the loop has ended. False: the event loop is to have its turn. */
function turns(loop: WorkerLoop, ring: IoRing, busyPoll: BusyPoll | undefined): boolean {
  let completions = 0;
  let uncounted = 0;
  for (;;) {
    loop.step(completions);
    if (loop.ended) {
      count(loop.counters, ring);
      return true;
    }
    const batch = loop.submissions.take();
    const worked = completions > 0 || batch > 0;
    const polls = busyPoll?.goesOn(worked) === true;
    const sleep = !polls && loop.prepareSleep();
    assert(batch <= ring.capacity, "a batch that the ring has no room for");
    completions = ring.turn(batch, sleep);
    assert(completions >= 0 && completions <= ring.capacity, "more completions than operations");
    loop.awake();
    uncounted += 1;
    if (sleep) {
      loop.counters[WorkerCounter.Sleeps] += 1;
      if (completions === 0) return false;
    }
    if (polls && batch === 0 && completions === 0) loop.counters[WorkerCounter.Spins] += 1;
    if (uncounted < (sleep ? COUNT_BEFORE_SLEEP : COUNT_EVERY)) continue;
    uncounted = 0;
    count(loop.counters, ring);
  }
}

function count(counters: Float64Array, ring: IoRing): void {
  const totals = ring.counters();
  counters[WorkerCounter.Turns] = totals.turns;
  counters[WorkerCounter.Enters] = totals.enters;
  counters[WorkerCounter.Submitted] = totals.submitted;
  counters[WorkerCounter.Completed] = totals.completed;
  counters[WorkerCounter.Inline] = totals.inline;
}
