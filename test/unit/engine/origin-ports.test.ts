/** What main knows of the origin's clients: the requests that have ended, of whoever meets the origin. */
import { expect, test } from "vitest";
import { ORIGIN_WRITE_GATE } from "../../../src/base/gate-numbers.ts";
import { originPorts } from "../../../src/engine/origin-ports.ts";
import { createExportCounters, ExportCounter, exportCounters } from "../../../src/ring/counters.ts";
import { createVolumeWords, VolumeWords } from "../../../src/ring/volume-words.ts";

const WORKERS = 2;

function newCounters(): Float64Array[] {
  const memory = createExportCounters(WORKERS);
  return Array.from({ length: WORKERS }, (_, worker) => exportCounters(memory, worker));
}

test("requests of every kind count, of the origin and of listed snapshots, by all workers", () => {
  const words = new VolumeWords(createVolumeWords());
  const counters = newCounters();
  const snapshots = new Map([2, 5].map((index) => [index, newCounters()]));
  const countersOf = (index: number): readonly Float64Array[] => snapshots.get(index) ?? [];
  const ports = originPorts({ volume: 0, words, exportWorkers: [], counters, countersOf });
  const end = (of: readonly Float64Array[], worker: number, counter: number): number => {
    of[worker]![counter]! += 1;
    return ports.requests();
  };
  expect(ports.requests()).toBe(0);
  const { Reads, Writes, Zeroes, Trims, Flushes, Others } = ExportCounter;
  const kinds = [Reads, Writes, Zeroes, Trims, Flushes, Others];
  expect(kinds.map((kind) => end(counters, 1, kind))).toEqual([1, 2, 3, 4, 5, 6]);
  for (const other of [ExportCounter.WrittenBytes, ExportCounter.Errors, ExportCounter.Operations])
    expect(end(counters, 0, other)).toBe(6);
  // Snapshots 2 and 5 have clients; 2 is listed, and so is one that has just gone.
  const [listed, other] = [countersOf(2), countersOf(5)];
  expect([end(listed, 0, Reads), end(other, 0, Reads)]).toEqual([6, 6]);
  words.gate(ORIGIN_WRITE_GATE).close();
  ports.setList([2, 7]);
  expect(ports.requests()).toBe(7);
  expect([end(listed, 1, Writes), end(other, 1, Writes)]).toEqual([8, 8]);
});
