/**
 * A thousand lives with S-57, S-54 and S-55; see simulation.ts. `npm run sim` has more.
 */
import { describe, expect, test } from "vitest";
import { liveMany } from "./seeds.ts";

const LIVES_PER_TEST = 100;

describe("acknowledged when visible (S-57)", () => {
  test.each([1, 101, 201, 301, 401, 501, 601, 701, 801, 901])(
    "the promise holds in lives %i to +99 (S-80…S-84, E-1…E-36, C-10…C-39)",
    (firstSeed) => {
      const seen = liveMany("core", firstSeed, LIVES_PER_TEST, false);
      for (const what of [
        "read",
        "write",
        "flush",
        "create",
        "drop",
        "merge",
        "crash",
        "kill",
        "presented",
        "refused",
        "grow",
        "prefilled",
      ]) {
        expect(seen[what], what).toBeGreaterThan(0);
      }
    },
  );
});
