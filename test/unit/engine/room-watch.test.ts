/**
 * A file system that was full is looked at until it has room (E-48, S-47): at once where more is free, else ever less often; never when it is over.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { GROWTH_RETRY_MAX_MS, ROOM_LOOK_MS } from "../../../src/base/constants.ts";
import { RoomWatch } from "../../../src/engine/room-watch.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Watched {
  readonly watch: RoomWatch;
  free: number | Error;
  looks: number;
  tries: number;
}

function watched(free: number | Error, tried: (one: Watched) => void = () => {}): Watched {
  const one: Watched = {
    ...{ free, looks: 0, tries: 0 },
    watch: new RoomWatch({
      free: async () => {
        one.looks += 1;
        if (typeof one.free !== "number") throw one.free;
        return one.free;
      },
      tryAgain: () => {
        one.tries += 1;
        tried(one);
      },
    }),
  };
  one.watch.start();
  return one;
}

async function looks(one: Watched, count: number): Promise<void> {
  const before = one.looks;
  await vi.advanceTimersByTimeAsync(count * ROOM_LOOK_MS);
  expect(one.looks - before).toBe(count);
}

test("the first look tries, and later ones where more is free than was", async () => {
  const one = watched(1 << 20);
  await looks(one, 1);
  expect(one.tries).toBe(1);
  // Until the next one without a reason is far away.
  await looks(one, 6);
  expect(one.tries).toBe(3);
  one.free = 4096;
  await looks(one, 1);
  expect(one.tries).toBe(3);
  // Less than at the last try, and more than since.
  one.free = 8192;
  await looks(one, 1);
  expect(one.tries).toBe(4);
});

test.each([
  ["it is as little as ever", 0],
  ["nobody can say", new Error("EIO")],
] as const)(
  "where %s it is tried all the same, ever less often: a quota, or root's own room, is not to be seen",
  async (_what, free) => {
    const one = watched(free);
    const tries: number[] = [];
    for (let look = 1; tries.length < 5; look++) {
      await looks(one, 1);
      if (one.tries > tries.length) tries.push(look);
    }
    expect(tries).toEqual([1, 3, 7, 15, 31]);
    const [before, most] = [one.tries, GROWTH_RETRY_MAX_MS / ROOM_LOOK_MS];
    await looks(one, 10 * most);
    expect(one.tries - before).toBeGreaterThanOrEqual(10);
  },
);

test("it ends at once, also while a look is under way, and with the try that has found room", async () => {
  const one = watched(0);
  one.watch.stop();
  await looks(one, 0);
  expect(vi.getTimerCount()).toBe(0);
  one.watch.start();
  vi.advanceTimersByTime(ROOM_LOOK_MS);
  one.watch.stop();
  await vi.advanceTimersByTimeAsync(10 * ROOM_LOOK_MS);
  expect([one.looks, one.tries, vi.getTimerCount()]).toEqual([1, 0, 0]);
  const found = watched(0, ({ watch }) => watch.stop());
  await vi.advanceTimersByTimeAsync(10 * ROOM_LOOK_MS);
  expect([found.looks, found.tries]).toEqual([1, 1]);
});

test("begun anew while a look is under way, there is one watch, not two", async () => {
  const one = watched(0);
  vi.advanceTimersByTime(ROOM_LOOK_MS);
  one.watch.stop();
  one.watch.start();
  await looks(one, 4);
  expect(one.tries).toBe(2);
});
