/**
 * The suite's lives of depth `core`, for one commit rule; each rule's are a file of their own, so that both run at once.
 */
import { expect, test } from "vitest";
import { liveMany } from "./seeds.ts";

const LIVES_PER_TEST = 100;

const HAPPENS = [
  ...["read", "write", "flush", "create", "drop", "merge", "crash", "kill"],
  ...["presented", "refused", "grow", "prefilled"],
  ...["grows by itself", "growth refused", "trim preserved"],
];

export function testCoreLives(plain: boolean): void {
  test.each([1, 101, 201, 301, 401, 501])(
    "the promise holds in lives %i to +99 (S-80…S-84, E-1…E-36, C-10…C-39)",
    (firstSeed) => {
      const seen = liveMany("core", firstSeed, LIVES_PER_TEST, plain);
      for (const what of HAPPENS) expect(seen[what], what).toBeGreaterThan(0);
    },
  );
}
