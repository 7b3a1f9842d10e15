/**
 * The clock of a test file: performance.now() says what the test says, from one second on, and anew in each test.
 */
import { afterEach, beforeEach, vi } from "vitest";

const FIRST_MS = 1000;

/** For all tests of the file that calls it; `now`: in milliseconds, to be moved by the test. */
export function stopClock(): { now: number } {
  const clock = { now: FIRST_MS };
  beforeEach(() => {
    clock.now = FIRST_MS;
    vi.spyOn(performance, "now").mockImplementation(() => clock.now);
  });
  afterEach(() => vi.restoreAllMocks());
  return clock;
}
