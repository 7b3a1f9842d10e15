/**
 * Lives of depth B, with and without S-57, S-54 and S-55: rings, tables, dispatch and the loops of the workers; see simulation.ts.
 */
import { describe, expect, test } from "vitest";
import { liveMany } from "./seeds.ts";

const LIVES_PER_TEST = 10;

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
