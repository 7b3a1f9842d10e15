/** Options of `openVolume`: defaults, and what is refused with the option's name. */
import { describe, expect, test, vi } from "vitest";
import { completeOptions, type VolumeOptions } from "../../../src/engine/volume-options.ts";

const complete = (options: Partial<VolumeOptions>): ReturnType<typeof completeOptions> =>
  completeOptions({ origin: "o", ...options });

test("S-54: a group waits 50 ms, or for 1024 exceptions, unless told otherwise", () => {
  expect(complete({})).toMatchObject({ groupWaitMs: 50, groupCount: 1024, busyPoll: 0 });
  expect(complete({ groupWaitMs: 0, groupCount: 1, busyPoll: 25 })).toMatchObject({
    groupWaitMs: 0,
    groupCount: 1,
    busyPoll: 25,
  });
});

describe("whole numbers within their bounds", () => {
  test.each([
    ["groupWaitMs", -1, 60_001],
    ["groupCount", 0, 1025],
    ["busyPoll", -1, 1_000_001],
    ["workers", 0, 65_536],
    ["copyWorkers", 0, 65_536],
  ] as const)("%s", (name, below, above) => {
    for (const value of [below, above, 1.5, Number.NaN]) {
      expect(() => complete({ [name]: value })).toThrow(
        expect.objectContaining({ code: "EINVAL", message: expect.stringContaining(`${name} must be a whole number`) }),
      );
    }
    expect(complete({ [name]: below + 1 })[name]).toBe(below + 1);
  });
});

test("a log that throws, or whose promise rejects, throws nowhere: its lines are counted", async () => {
  const seen: string[] = [];
  const { log, droppedLines } = complete({
    log: (line) => {
      seen.push(line);
      if (line === "throws") throw new Error("no space left");
      if (line === "rejects") return Promise.reject(new Error("no space left"));
      return undefined;
    },
  });
  for (const line of ["throws", "good", "rejects", "good again"]) log(line);
  await vi.waitFor(() => expect(droppedLines()).toBe(2));
  expect(seen).toEqual(["throws", "good", "rejects", "good again"]);
});
