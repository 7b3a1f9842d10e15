/**
 * A short piece of `npm run soak` (test/soak): users, snapshots that come and go, merges and growth, on the built library.
 */
import { expect, test } from "vitest";
import { Soak } from "../soak/soak.ts";

/** On a machine that is busy with other things its beginning and its end take their time. */
const TIMEOUT = 300_000;

test(
  "under mixed load every sector of every export is what its users wrote, and nothing is left at the end",
  async () => {
    const summary = await Soak.run({ seed: 5, milliseconds: 8000, rate: 800, progress: () => {} });
    expect(summary).toMatch(/[1-9]\d* requests, .* [1-9]\d* snapshots made/);
  },
  TIMEOUT,
);
