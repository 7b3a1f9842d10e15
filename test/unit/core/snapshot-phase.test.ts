/** The phases of a snapshot: which way leads where, and what workers see of each. */
import { expect, test } from "vitest";
import { SnapshotState } from "../../../src/base/states.ts";
import { assertTransition, isEnding, isListed, Phase, preserves, stateOf } from "../../../src/core/snapshot-phase.ts";

const PHASES = Object.values(Phase);

function next(from: Phase): string[] {
  return Object.entries(Phase).flatMap(([name, to]) => {
    try {
      assertTransition(from, to);
      return [name];
    } catch {
      return [];
    }
  });
}

test("each phase leads where the picture says, and nowhere else", () => {
  expect(Object.fromEntries(Object.entries(Phase).map(([name, phase]) => [name, next(phase)]))).toEqual({
    Opening: ["Open", "Invalid", "Gone"],
    Open: ["Starting", "Dropping", "Saving", "Invalidating"],
    Starting: ["Open", "Merging", "Invalidating"],
    Merging: ["Open"],
    Dropping: ["Invalidating"],
    Saving: ["Invalidating"],
    Invalidating: ["Invalid"],
    Invalid: ["Gone"],
    Gone: [],
  });
});

test("a wrong way is named", () => {
  expect(() => assertTransition(Phase.Merging, Phase.Dropping)).toThrow("from phase Merging to Dropping");
});

test("workers see a full store until its snapshot is Invalid, merges or is gone", () => {
  const full = PHASES.filter((phase) => stateOf(phase, true) === SnapshotState.Overflow);
  expect(full).toEqual([Phase.Open, Phase.Starting, Phase.Dropping, Phase.Saving, Phase.Invalidating]);
  expect(full.map((phase) => stateOf(phase, false))).toEqual(full.map(() => SnapshotState.Active));
});

test("it keeps the origin's data until it is Invalid, and is listed until it is gone (S-70)", () => {
  expect(PHASES.filter(preserves)).toEqual([
    Phase.Open,
    Phase.Starting,
    Phase.Dropping,
    Phase.Saving,
    Phase.Invalidating,
  ]);
  expect(PHASES.filter((phase) => isListed(phase) && !preserves(phase))).toEqual([Phase.Invalid]);
  expect(PHASES.filter((phase) => isEnding(phase) && !preserves(phase))).toEqual([]);
});
