/** What run-end.mjs exports, for the test of it. */
import type { SpawnSyncReturns } from "node:child_process";

export interface Counts {
  readonly passed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
  readonly running?: readonly string[];
}

export function badEnd(
  run: Pick<SpawnSyncReturns<unknown>, "status" | "signal" | "error">,
  counts: Counts,
  minutes: number,
): string | undefined;
