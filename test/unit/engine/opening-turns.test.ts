/** Openings that hang hold up no other one, and those that do not are a few at a time. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { OPENING_THREADS_MAX, OPENING_TURN_MS, OPENING_TURNS } from "../../../src/base/constants.ts";
import { OpeningTurns } from "../../../src/engine/opening-turns.ts";

let turns: OpeningTurns;
let begun: (() => void)[];

beforeEach(() => {
  vi.useFakeTimers();
  turns = new OpeningTurns();
  begun = [];
});

afterEach(() => {
  vi.useRealTimers();
});

/** Tasks that have their turn are in `begun`. */
async function take(count: number): Promise<void> {
  for (let i = 0; i < count; i++) void turns.take().then((ended) => begun.push(ended));
  await vi.advanceTimersByTimeAsync(0);
}

it("as many begin as have a turn, and each that ends gives its turn on", async () => {
  await take(OPENING_TURNS + 2);
  expect(begun.length).toBe(OPENING_TURNS);
  begun[3]?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(begun.length).toBe(OPENING_TURNS + 1);
  for (const ended of [...begun]) if (ended !== begun[3]) ended();
  await vi.advanceTimersByTimeAsync(0);
  expect(begun.length).toBe(OPENING_TURNS + 2);
  begun.at(-1)?.();
  begun = [];
  // Nothing is left of them: as many may begin as at first.
  await take(OPENING_TURNS + 1);
  expect(begun.length).toBe(OPENING_TURNS);
});

it("one that takes long goes on beside the others, and gives its turn on once", async () => {
  await take(2 * OPENING_TURNS);
  await vi.advanceTimersByTimeAsync(OPENING_TURN_MS - 1);
  expect(begun.length).toBe(OPENING_TURNS);
  await vi.advanceTimersByTimeAsync(1);
  expect(begun.length).toBe(2 * OPENING_TURNS);
  // Their ends are those of tasks that had no turn any more.
  for (const ended of begun.slice(0, OPENING_TURNS)) ended();
  await take(1);
  expect(begun.length).toBe(2 * OPENING_TURNS);
});

it("where as many hang as there may be threads, a further one is refused, until one of them ends", async () => {
  for (let i = 0; i < OPENING_THREADS_MAX; i += OPENING_TURNS) {
    await take(OPENING_TURNS);
    await vi.advanceTimersByTimeAsync(OPENING_TURN_MS);
  }
  expect(begun.length).toBe(OPENING_THREADS_MAX);
  await expect(turns.take()).rejects.toMatchObject({
    code: "EBUSY",
    message: `${OPENING_THREADS_MAX} devices do not answer while they are opened or looked at`,
  });
  begun[7]?.();
  await expect(turns.take()).resolves.toBeTypeOf("function");
});

it("many that only wait for their turn are refused by nobody: none of them hangs", async () => {
  // Three hundred volumes that were opened at once were called devices that do not answer.
  await take(OPENING_THREADS_MAX + 50);
  for (let i = 0; i < OPENING_THREADS_MAX + 50; i++) {
    begun[i]?.();
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(begun.length).toBe(OPENING_THREADS_MAX + 50);
});

it("nothing is left of a task that has ended: no timer", async () => {
  await take(3);
  for (const ended of begun) ended();
  expect(vi.getTimerCount()).toBe(0);
});
