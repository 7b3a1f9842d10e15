/**
 * What a worker knows of a snapshot's chunks: where ranges of the volume begin and end in them.
 */
import { EntryState } from "../../../src/base/states.ts";
import { expect, it } from "vitest";
import type { TableWriter } from "../../../src/table/table-writer.ts";
import { TableReader } from "../../../src/table/table-reader.ts";
import type { ServedSnapshot } from "../../../workers/export/served-snapshot.ts";
import { TrackedRead } from "../../../workers/export/tracked-read.ts";
import { ExportBench } from "../../support/export-bench.ts";

const CHUNK = 4096;

function viewed(): { bench: ExportBench; view: ServedSnapshot; table: TableWriter } {
  const bench = new ExportBench({ chunkBytes: CHUNK });
  const { table } = bench.addSnapshot(3, { zeroes: true });
  return { bench, view: bench.served.snapshot(3), table };
}

it("a range is in as many chunks as it touches", () => {
  const { view } = viewed();
  const of = (offset: number, length: number): number => view.chunksOf({ offset, length });
  expect([of(0, 1), of(0, CHUNK), of(0, CHUNK + 1), of(CHUNK - 1, 1), of(CHUNK - 1, 2), of(100, 2 * CHUNK)]).toEqual([
    ...[1, 1, 2, 1, 2, 3],
  ]);
  expect([0, CHUNK - 1, CHUNK, 5 * CHUNK + 7].map((offset) => view.chunkAt(offset))).toEqual([0, 0, 1, 5]);
  expect([0, 1, CHUNK - 1, CHUNK].map((offset) => view.toChunkEnd(offset))).toEqual([CHUNK, CHUNK - 1, 1, CHUNK]);
});

it("a run of chunks cuts a range at its end, and a chunk at its own", () => {
  const { view } = viewed();
  expect(view.clippedToRun({ offset: 100, length: 5 * CHUNK }, 2)).toBe(2 * CHUNK - 100);
  expect(view.clippedToRun({ offset: 100, length: 50 }, 2)).toBe(50);
  expect(view.clippedToChunk({ offset: CHUNK + 100, length: 5 * CHUNK })).toBe(CHUNK - 100);
  expect(view.clippedToChunk({ offset: CHUNK + 100, length: 50 })).toBe(50);
  expect(() => view.clippedToRun({ offset: 0, length: 1 }, 0)).toThrow("no chunks");
});

it("a range lies in the new chunk where it lies in the old one", () => {
  const { view, table } = viewed();
  table.publish(2, 7, EntryState.Visible);
  expect(view.table.lookup(2, 1)).toBe(EntryState.Visible);
  expect(view.cowPosition({ offset: 2 * CHUNK + 100, length: 50 })).toBe(7 * CHUNK + 100);
});

it("has the gates, the options and the device that main has said, and no reserve where it said none", () => {
  const { bench, view } = viewed();
  expect([view.index, view.discardZeroesCow, view.discardPassdownOrigin, view.reserve]).toEqual([3, true, false, null]);
  expect(new Set([view.writeGate, view.readGate]).size).toBe(2);
  expect(() => bench.served.snapshot(0)).toThrow("was not told of");
});

it("one that is taken away looks up in a table without chunks, which all of those share (C-19)", () => {
  const { bench } = viewed();
  bench.addSnapshot(4);
  const gone = bench.served.snapshot(4);
  const before = gone.table;
  gone.forget();
  expect(gone.table).toBeInstanceOf(TableReader);
  expect(gone.table).not.toBe(before);
  bench.addSnapshot(5);
  const other = bench.served.snapshot(5);
  other.forget();
  expect(other.table).toBe(gone.table);
});

it("a read is tracked once, and ends once (C-1, C-5)", () => {
  const { view } = viewed();
  const read = new TrackedRead();
  expect(read.isTracked).toBe(false);
  expect(() => read.end()).toThrow("was not tracked");
  read.begin(view, 5, 2);
  expect([read.isTracked, read.chunk]).toEqual([true, 5]);
  expect(() => read.begin(view, 5, 2)).toThrow("tracked twice");
  expect(read.end()).toBe(0);
  expect(read.isTracked).toBe(false);
});
