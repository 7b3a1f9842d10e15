/**
 * Turns of a worker on its ring: when it sleeps, how long it polls before, and what it counts. The ring and the loop are
 * scripts; time goes on by one millisecond with each turn.
 */
import { expect, test } from "vitest";
import type { IoRing } from "../../../src/device/port.ts";
import { WorkerCounter } from "../../../src/ring/counters.ts";
import { DESCRIPTOR_WORDS, IoOp } from "../../../src/ring/io-descriptor.ts";
import { Submissions } from "../../../src/ring/submissions.ts";
import { BusyPoll } from "../../../workers/busy-poll.ts";
import { drive, type WorkerLoop } from "../../../workers/drive.ts";

/** What each turn finds completed; after the last one the loop ends. */
async function driven(completed: readonly number[], pollMs: number, submits: readonly number[] = []): Promise<Driven> {
  const words = new Int32Array(64 * DESCRIPTOR_WORDS);
  const submissions = new Submissions(words);
  const counters = new Float64Array(16);
  const waits: boolean[] = [];
  const steps: number[] = [];
  let now = 1000;
  let submitted = 0;
  const loop: WorkerLoop = {
    submissions,
    counters,
    get ended() {
      return waits.length === completed.length;
    },
    step(completions) {
      steps.push(completions);
      for (let i = 0; i < (submits[steps.length - 1] ?? 0); i++) submissions.push(IoOp.Nop, 0, 0, 0, 0, 0, 0);
    },
    prepareSleep: () => true,
    awake: () => {},
  };
  const ring: Pick<IoRing, "capacity" | "turn" | "counters"> = {
    capacity: 64,
    turn(count, wait) {
      now += 1;
      submitted += count;
      waits.push(wait);
      return completed[waits.length - 1];
    },
    counters: () => ({ enters: 0, turns: waits.length, submitted, completed: 0, inline: 0 }),
  };
  const poll = pollMs > 0 ? new BusyPoll(pollMs * 1000, () => now) : undefined;
  await drive(loop, ring as IoRing, poll);
  return { waits, steps, counters };
}

interface Driven {
  readonly waits: boolean[];
  readonly steps: number[];
  readonly counters: Float64Array;
}

const W = true;
const P = false;

test("without busy-poll a worker sleeps as soon as nothing is left to do", async () => {
  const { waits, counters } = await driven([1, 1, 2], 0);
  expect(waits).toEqual([W, W, W]);
  expect(counters[WorkerCounter.Sleeps]).toBe(3);
  expect(counters[WorkerCounter.Spins]).toBe(0);
});

test("busy-poll: it polls for its time after the last completion, then sleeps", async () => {
  const { waits, counters } = await driven([1, 0, 0, 0, 1, 0], 3);
  // The first turn has no work before it. Work was seen at 1 ms: turns until 4 ms do not wait.
  expect(waits).toEqual([W, P, P, P, W, P]);
  expect(counters[WorkerCounter.Spins]).toBe(4);
  expect(counters[WorkerCounter.Sleeps]).toBe(2);
  expect(counters[WorkerCounter.Turns]).toBe(6);
});

test("busy-poll: work that comes while it polls lets it poll for its time again", async () => {
  const { waits, counters } = await driven([1, 0, 1, 0, 0, 0, 1], 2);
  expect(waits).toEqual([W, P, P, P, P, W, W]);
  // The turn that finds a completion is none of them.
  expect(counters[WorkerCounter.Spins]).toBe(3);
});

test("busy-poll: something to submit is work as well", async () => {
  const { waits } = await driven([0, 0, 0, 1], 2, [0, 5, 0, 0]);
  expect(waits).toEqual([W, P, P, W]);
});

test("a sleep that ends with nothing lets the thread's event loop have its turn, and the worker goes on", async () => {
  const order: string[] = [];
  setImmediate(() => order.push("event loop"));
  const { steps } = await driven([1, 0, 2, 1], 0);
  order.push("ended");
  expect(order).toEqual(["event loop", "ended"]);
  expect(steps).toEqual([0, 1, 0, 2, 1]);
});

test("busy-poll: what was completed reaches the loop, turn by turn", async () => {
  expect((await driven([3, 0, 2, 0], 5)).steps).toEqual([0, 3, 0, 2, 0]);
});
