import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { CreationGroup } from "../../../src/core/creation-group.ts";
import type { CreationHalt } from "../../../src/core/ports.ts";

const HALTS: readonly CreationHalt[] = ["prepared", "held", "durable"];

/** A group of so many, and what each of them is told, in order. */
function grouped(count: number): { readonly group: CreationGroup; readonly told: string[] } {
  const told: string[] = [];
  const creations = Array.from({ length: count }, (_, i) => ({
    goOn: () => void told.push(`go on ${i}`),
    cancel: () => void told.push(`cancel ${i}`),
  }));
  return { group: new CreationGroup(creations), told };
}

test("nobody goes on from a halt before all have come there (E-50)", () => {
  const { group, told } = grouped(3);
  for (const halt of HALTS) {
    group.reached(2, halt);
    group.reached(0, halt);
    expect(told).toEqual([]);
    group.reached(1, halt);
    expect(told.splice(0)).toEqual(["go on 0", "go on 1", "go on 2"]);
  }
  for (const number of [0, 1, 2]) group.ended(number, 0);
  expect(told).toEqual([]);
});

test.each([0, 1, 2])(
  "one that fails takes those along that have not ended, wherever they are: at halt %i (E-50)",
  (at) => {
    const { group, told } = grouped(3);
    for (const halt of HALTS.slice(0, at)) for (const number of [0, 1, 2]) group.reached(number, halt);
    group.reached(0, HALTS[at]!);
    group.reached(1, HALTS[at]!);
    told.length = 0;
    group.ended(2, errno.EIO);
    expect(told.splice(0)).toEqual(["cancel 0", "cancel 1"]);
    group.ended(0, errno.ECANCELED);
    expect(told).toEqual([]);
    // It had not begun when it was told.
    group.reached(1, HALTS[at]!);
    expect(told).toEqual(["cancel 1"]);
  },
);

test("a group that is given up gives up each once", () => {
  const { group, told } = grouped(2);
  group.cancel();
  group.cancel();
  expect(told).toEqual(["cancel 0", "cancel 1"]);
});
