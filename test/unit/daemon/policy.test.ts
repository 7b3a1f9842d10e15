/**
 * Policies, one over the other: what `set` has taken once was refused by the next opening, and the volume was failed for good. A stall's seconds were left over
 * when it did not stall any more; a store PO was to be invalidated; seconds came alone.
 */
import { describe, expect, test } from "vitest";
import { checkSnapshotOptions } from "../../../src/engine/option-schema.ts";
import { changedSpec, openingOptions } from "../../../src/daemon/policy.ts";
import { Problem } from "../../../src/daemon/problem.ts";
import type { SnapshotPolicy, SnapshotSpec } from "../../../src/daemon/state.ts";

const MADE: readonly SnapshotSpec[] = [
  {},
  { store: "P" },
  { store: "PO" },
  { store: "N", chunkSize: 4096 },
  { readOnly: true },
];
const FULL = [undefined, "invalidate", "overflow", "stall"] as const;
const POLICIES: readonly SnapshotPolicy[] = FULL.flatMap((whenFull) =>
  [undefined, 30].flatMap((stallSeconds) =>
    [undefined, null, { by: 512 }, { by: 4096, max: 1024 }].map((grow) => ({
      ...(whenFull === undefined ? {} : { whenFull }),
      ...(stallSeconds === undefined ? {} : { stallSeconds }),
      ...(grow === undefined ? {} : { grow }),
    })),
  ),
);

function changed(spec: SnapshotSpec, policy: SnapshotPolicy): SnapshotSpec {
  try {
    return changedSpec(spec, policy);
  } catch (error) {
    expect(error).toBeInstanceOf(Problem);
    expect((error as Problem).code).toBe("bad-request");
    return spec;
  }
}

describe("two changes, one after the other", () => {
  test.each(MADE)("of %o: refused in words, or taken by every opening", (made) => {
    for (const first of POLICIES)
      for (const second of POLICIES) {
        const spec = changed(changed(made, first), second);
        const refused: string[] = [];
        const options = openingOptions(spec, (why) => refused.push(why));
        // A store in memory is gone after a restart.
        if (made.store !== "N") expect(refused, JSON.stringify({ first, second })).toEqual([]);
        checkSnapshotOptions({ ...options, name: "s", cow: "/s" });
      }
  });
});

test("what an earlier daemon has written is opened as far as it makes sense, and what makes none leaves the data as safe as it was", () => {
  const refused: string[] = [];
  const opened = (spec: SnapshotSpec): object => openingOptions(spec, (why) => refused.push(why));
  expect(opened({ whenFull: "invalidate", stallSeconds: 60 })).toEqual({ whenFull: "invalidate" });
  expect(opened({ stallSeconds: 30 })).toEqual({});
  expect(opened({ store: "PO", whenFull: "invalidate" })).toEqual({ store: "PO" });
  expect(refused).toEqual([]);
  expect(opened({ readOnly: true, grow: { by: 1000 } })).toEqual({ readOnly: true });
  expect(refused).toEqual([expect.stringMatching(/grow/)]);
});

test("a later word makes an earlier one meaningless, and that goes", () => {
  const stalls = changedSpec({ size: 512 }, { whenFull: "stall", stallSeconds: 60 });
  expect(changedSpec(stalls, { stallSeconds: 5 })).toEqual({ size: 512, whenFull: "stall", stallSeconds: 5 });
  expect(changedSpec(stalls, { whenFull: "overflow" })).toEqual({ size: 512, whenFull: "overflow" });
  expect(() => changedSpec({ size: 512 }, { stallSeconds: 5 })).toThrow(/stall only/);
  expect(() => changedSpec({ store: "PO" }, { whenFull: "invalidate" })).toThrow(/store PO/);
});
