/** What main and the thread of a task share: who has it, and whether anybody wants it. */
import { expect, it } from "vitest";
import { OpeningCalls } from "../../../src/engine/opening-call.ts";
import { openingTask } from "../../../workers/opening-worker.ts";

async function done(words: Int32Array): Promise<unknown> {
  return await openingTask({ task: "canBeKept", order: "/", words, port: undefined });
}

it("a task that a thread has begun cannot be taken back, and one that was taken back is not begun", async () => {
  // Main did what a healthy thread was doing already: an older register came after a newer one.
  const calls = new OpeningCalls();
  const [begun, taken] = [calls.take(), calls.take()];
  expect(await done(begun.words)).toEqual({ done: true });
  expect(begun.takeBack()).toBe(false);
  expect(taken.takeBack()).toBe(true);
  expect(await done(taken.words)).toMatchObject({ refused: { code: "ECANCELED" } });
});

it("one that nobody wants any more is not begun", async () => {
  const call = new OpeningCalls().take();
  call.stop();
  expect(await done(call.words)).toMatchObject({ refused: { code: "ECANCELED" } });
});

it("words are used again, blank; but not those of a task that lies in a queue still", async () => {
  const calls = new OpeningCalls();
  const call = calls.take();
  call.stop();
  await done(call.words);
  calls.give(call);
  const again = calls.take();
  expect([again, [...again.words]]).toEqual([call, [0, 0]]);
  again.takeBack();
  calls.give(again);
  for (let i = 0; i < 200; i++) expect(calls.take()).not.toBe(again);
});
