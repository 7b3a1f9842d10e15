/**
 * The table against a Map: any sequence of publish, settle and remove, looked at through the writer and a reader.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { EntryState } from "../../../src/base/states.ts";
import { createTable } from "../../../src/table/table-layout.ts";
import { TableReader } from "../../../src/table/table-reader.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

const CHUNKS = 1024;

interface Entry {
  newChunk: number;
  state: EntryState;
}

type Step = {
  kind: "publish" | "settle" | "remove";
  first: number;
  count: number;
  stride: number;
  newChunk: number;
  settled: boolean;
};

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("publish", "publish", "settle", "remove"),
  first: fc.nat(CHUNKS - 1),
  count: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 400 })),
  stride: fc.constantFrom(1, 1, 2, 3, 255, 1023),
  newChunk: fc.oneof(fc.nat(5000), fc.constant(2 ** 32 - 20), fc.constant(2 ** 45)),
  settled: fc.boolean(),
});

function apply(writer: TableWriter, model: Map<number, Entry>, s: Step): void {
  for (let i = 0; i < s.count; i++) {
    const chunk = (s.first + i * s.stride) % CHUNKS;
    const entry = model.get(chunk);
    if (s.kind === "publish" && entry === undefined) {
      const state = s.settled ? EntryState.Settled : EntryState.Visible;
      writer.publish(chunk, s.newChunk + i, state);
      model.set(chunk, { newChunk: s.newChunk + i, state });
    } else if (s.kind === "settle" && entry !== undefined) {
      writer.settle(chunk);
      entry.state = EntryState.Settled;
    } else if (s.kind === "remove" && entry !== undefined) {
      writer.remove(chunk);
      model.delete(chunk);
    }
  }
}

function expectedRun(model: Map<number, Entry>, chunk: number, limit: number): number {
  const first = model.get(chunk);
  let length = 1;
  for (; length < limit; length++) {
    const next = model.get(chunk + length);
    if (first === undefined ? next !== undefined : next === undefined || next.newChunk !== first.newChunk + length)
      break;
  }
  return length;
}

function compare(writer: TableWriter, reader: TableReader, model: Map<number, Entry>): void {
  expect(writer.count()).toBe(model.size);
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    const entry = model.get(chunk);
    const limit = 1 + ((chunk * 7) % Math.min(300, CHUNKS - chunk));
    const state = reader.lookup(chunk, limit);
    const expected = entry?.state ?? EntryState.None;
    // One comparison per chunk: a million calls of `expect` would be the test's whole time.
    if (state !== expected || writer.stateOf(chunk) !== expected) expect([chunk, state]).toEqual([chunk, expected]);
    const run = expectedRun(model, chunk, limit);
    if (reader.runLength !== run) expect([chunk, limit, reader.runLength]).toEqual([chunk, limit, run]);
    if (entry !== undefined && (reader.newChunk !== entry.newChunk || writer.newChunkOf(chunk) !== entry.newChunk)) {
      expect([chunk, reader.newChunk]).toEqual([chunk, entry.newChunk]);
    }
    let settled = 0;
    while (settled < limit && model.get(chunk + settled)?.state === EntryState.Settled) settled++;
    if (reader.allSettled(chunk, limit) !== (settled === limit))
      expect([chunk, limit, settled]).toEqual([chunk, limit, limit]);
  }
}

test("the table agrees with a map after any changes (C-22, C-24, C-37)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const memory = createTable({ originChunks: CHUNKS });
      const writer = new TableWriter(memory);
      const reader = new TableReader(memory);
      const model = new Map<number, Entry>();
      for (const s of steps) {
        apply(writer, model, s);
        writer.verify();
      }
      compare(writer, reader, model);
    }),
    { numRuns: 150 },
  );
});

test("runs come in old order, cover everything once, and are folded as far as they can be", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const writer = new TableWriter(createTable({ originChunks: CHUNKS }));
      const model = new Map<number, Entry>();
      for (const s of steps) apply(writer, model, s);
      const seen = new Map<number, Entry>();
      let end = -1;
      for (const run of writer.runs()) {
        expect(run.oldChunk).toBeGreaterThanOrEqual(end);
        end = run.oldChunk + run.count;
        for (let i = 0; i < run.count; i++) {
          seen.set(run.oldChunk + i, {
            newChunk: run.newChunk + i,
            state: run.settled ? EntryState.Settled : EntryState.Visible,
          });
        }
        const next = model.get(end);
        const last = seen.get(end - 1) as Entry;
        if (next !== undefined && next.state === last.state) expect(next.newChunk).not.toBe(last.newChunk + 1);
      }
      expect([...seen].sort(([a], [b]) => a - b)).toEqual([...model].sort(([a], [b]) => a - b));
    }),
    { numRuns: 100 },
  );
});

test("loading gives the table that publishing gives, in any order of the columns", () => {
  const exceptions = fc.uniqueArray(
    fc.tuple(fc.oneof(fc.nat(600), fc.nat(2 ** 34 - 1)), fc.oneof(fc.nat(3000), fc.nat(2 ** 46 - 1))),
    {
      selector: ([old]) => old,
      maxLength: 600,
    },
  );
  fc.assert(
    fc.property(exceptions, fc.boolean(), (list, sorted) => {
      if (sorted) list.sort(([a], [b]) => a - b);
      const writer = new TableWriter(createTable({ originChunks: 2 ** 34 }));
      const duplicate = writer.loadSettled({
        count: list.length,
        oldLow: Uint32Array.from(list, ([old]) => old),
        oldHigh: Uint16Array.from(list, ([old]) => Math.floor(old / 2 ** 32)),
        newLow: Uint32Array.from(list, ([, fresh]) => fresh),
        newHigh: Uint16Array.from(list, ([, fresh]) => Math.floor(fresh / 2 ** 32)),
      });
      expect(duplicate).toBe(-1);
      expect(writer.count()).toBe(list.length);
      for (const [old, fresh] of list) {
        expect(writer.stateOf(old)).toBe(EntryState.Settled);
        expect(writer.newChunkOf(old)).toBe(fresh);
      }
      writer.verify();
    }),
    { numRuns: 100 },
  );
});
