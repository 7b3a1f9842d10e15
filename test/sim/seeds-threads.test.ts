/**
 * Lives of depth B, with and without S-57, S-54 and S-55: rings, tables, dispatch and the loops of the workers; see simulation.ts.
 */
import { describe, expect, test } from "vitest";
import { liveMany } from "./seeds.ts";

const LIVES_PER_TEST = 10;
/** In which stores run full, and grow by themselves or stall, and clients trim. */
const LIVES_OF_ROOM = 4;

describe.each([false, true])("through the workers (without S-57: %s)", (plain) => {
  test.each([1, 11, 21, 31])("the promise holds in lives %i to +9 (S-80…S-84, C-1…C-39)", (firstSeed) => {
    const seen = liveMany("threads", firstSeed, LIVES_PER_TEST, plain);
    for (const what of [
      "read",
      "write",
      "flush",
      "trim",
      "create",
      "drop",
      "merge",
      "crash",
      "kill",
      "grow",
      "prefilled",
    ]) {
      expect(seen[what], what).toBeGreaterThan(0);
    }
  });
});

test("who needs room waits for it, and trims leave or preserve what a snapshot needs (E-16, E-19, E-47, E-48, S-47)", () => {
  const seen = liveMany("threads", 201, LIVES_OF_ROOM, false, [
    "autoGrowth",
    "stalls",
    "smallStores",
    "floods",
    "zeroes",
  ]);
  for (const what of [
    ...["grows by itself", "growth refused", "stall", "is given room", "tried again"],
    ...["trim kept", "trim preserved"],
  ]) {
    expect(seen[what], what).toBeGreaterThan(0);
  }
});
