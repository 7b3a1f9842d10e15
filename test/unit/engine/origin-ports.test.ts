/** What main knows of the origin's clients: the requests that have ended, of whoever meets the origin. */
import { expect, test } from "vitest";
import { ORIGIN_WRITE_GATE } from "../../../src/base/gate-numbers.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import { originPorts } from "../../../src/engine/origin-ports.ts";
import { createCounters, ExportCounter, exportRow } from "../../../src/ring/counters.ts";
import { createVolumeWords, VolumeWords } from "../../../src/ring/volume-words.ts";

test("requests of every kind count, of the origin and of listed snapshots, by all workers", () => {
  const workers = Array.from({ length: 2 }, () => ({ counters: new Float64Array(createCounters(true)) }));
  const words = new VolumeWords(createVolumeWords());
  const ports = originPorts(words, workers as unknown as readonly Channel[]);
  const end = (worker: number, exportIndex: number, counter: number): number => {
    workers[worker]!.counters[exportRow(exportIndex) + counter]! += 1;
    return ports.requests();
  };
  expect(ports.requests()).toBe(0);
  const { Reads, Writes, Zeroes, Trims, Flushes, Others } = ExportCounter;
  expect([Reads, Writes, Zeroes, Trims, Flushes, Others].map((kind) => end(1, 0, kind))).toEqual([1, 2, 3, 4, 5, 6]);
  expect([end(0, 0, ExportCounter.WrittenBytes), end(0, 0, ExportCounter.Errors)]).toEqual([6, 6]);
  // Snapshots 2 and 5 have clients; 2 is listed.
  expect([end(0, 3, Reads), end(0, 6, Reads)]).toEqual([6, 6]);
  words.gate(ORIGIN_WRITE_GATE).close();
  ports.setList([2]);
  expect(ports.requests()).toBe(7);
  expect([end(1, 3, Writes), end(1, 6, Writes)]).toEqual([8, 8]);
});
