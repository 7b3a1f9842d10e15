import { expect, test } from "vitest";
import { DrainPhase, SettleBuckets } from "../../../src/core/settle-buckets.ts";

interface Record {
  durable: boolean;
  nextInBucket: Record | null;
}

function record(): Record {
  return { durable: true, nextInBucket: null };
}

/** Bucket 1 of two has a drain under way for one exception, and a second one has come since. */
function draining(): { readonly buckets: SettleBuckets<Record>; readonly first: Record; readonly second: Record } {
  const buckets = new SettleBuckets<Record>(2);
  const [first, second] = [record(), record()];
  buckets.add(1, first);
  expect(buckets.begin(1)).toBe(true);
  buckets.phase[1] = DrainPhase.BeforeFlip;
  buckets.add(1, second);
  return { buckets, first, second };
}

test("a drain is for what was there when it began; what came since takes the next one (C-24)", () => {
  const { buckets, first, second } = draining();
  buckets.verify();
  expect(buckets.waiting).toBe(2);
  expect(() => buckets.begin(1)).toThrow("one drain at a time");
  expect(() => buckets.take(1)).toThrow("both counters");
  buckets.phase[1] = DrainPhase.AfterFlip;
  expect([buckets.take(1), buckets.take(1), buckets.waiting]).toEqual([first, null, 1]);
  buckets.phase[1] = DrainPhase.Idle;
  expect([buckets.begin(0), buckets.begin(1)]).toEqual([false, true]);
  buckets.phase[1] = DrainPhase.AfterFlip;
  buckets.verify();
  expect([buckets.take(1), buckets.waiting]).toEqual([second, 0]);
});

test("only what is durable waits in a bucket, and only in one that is there (C-24)", () => {
  const buckets = new SettleBuckets<Record>(2);
  expect(() => buckets.add(0, { durable: false, nextInBucket: null })).toThrow("durable");
  expect(() => buckets.add(2, record())).toThrow("the bucket is there");
  expect(() => buckets.add(-1, record())).toThrow("the bucket is there");
  buckets.verify();
});

test("a walk finds what does not fit together, in any bucket and any list", () => {
  const walk = (spoil: (parts: ReturnType<typeof draining>) => void): (() => void) => {
    const parts = draining();
    spoil(parts);
    return () => parts.buckets.verify();
  };
  expect(walk(() => {})).not.toThrow();
  expect(walk(({ buckets }) => (buckets.phase[1] = DrainPhase.Idle))).toThrow("a drain is under way");
  expect(walk(({ buckets }) => (buckets.phase[0] = DrainPhase.AfterFlip))).toThrow("a drain is under way");
  expect(walk(({ buckets }) => buckets.add(0, record()))).toThrow("what waits has its drain");
  expect(walk(({ first }) => (first.durable = false))).toThrow("durable");
  expect(walk(({ second }) => (second.durable = false))).toThrow("durable");
  expect(walk(({ first }) => (first.nextInBucket = record()))).toThrow("as many as they say");
});

test("buckets that are cleared hold nothing, and begin anew", () => {
  const { buckets, first } = draining();
  buckets.clear();
  buckets.verify();
  expect([buckets.waiting, [...buckets.phase], buckets.begin(1)]).toEqual([0, [0, 0], false]);
  buckets.add(1, first);
  expect([buckets.waiting, buckets.begin(1)]).toEqual([1, true]);
});
