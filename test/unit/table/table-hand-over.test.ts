/** A table that one writer has filled and another one goes on with, as if it had been one: the first is an opening thread's. */
import { expect, test } from "vitest";
import { EntryState } from "../../../src/base/states.ts";
import { createTable } from "../../../src/table/table-layout.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

const CHUNKS = 2 ** 22;

/** Runs and single exceptions, in groups far from each other. */
const pairs = Array.from({ length: 5000 }, (_, i) => [(i * 7919) % CHUNKS, 2 + i] as const);

function filled(memory: SharedArrayBuffer): TableWriter {
  const writer = new TableWriter(memory);
  const [oldLow, newLow] = [0, 1].map((side) => Uint32Array.from(pairs, (pair) => pair[side]));
  expect(writer.loadSettled({ count: pairs.length, oldLow, newLow })).toBe(-1);
  return writer;
}

test("the second writer has every exception, its count, and the room that is left", () => {
  const memory = createTable({ originChunks: CHUNKS });
  const first = filled(memory);
  const next = new TableWriter(memory, structuredClone(first.handOver()));
  expect([next.count(), next.memoryBytes()]).toEqual([first.count(), first.memoryBytes()]);
  for (const [oldChunk, newChunk] of pairs) expect(next.newChunkOf(oldChunk)).toBe(newChunk);
  expect([...next.runs()]).toEqual([...first.runs()]);
  next.verify();
});

test("it publishes and removes without touching what the first one has built", () => {
  const memory = createTable({ originChunks: CHUNKS });
  const next = new TableWriter(memory, filled(memory).handOver());
  const taken = new Set(pairs.map(([oldChunk]) => oldChunk));
  const more = Array.from({ length: 4000 }, (_, i) => i * 3).filter((chunk) => !taken.has(chunk));
  for (const chunk of more) next.publish(chunk, 100_000 + chunk, EntryState.Visible);
  for (const [oldChunk] of pairs.slice(0, 1000)) next.remove(oldChunk);
  next.verify();
  for (const chunk of more) expect(next.newChunkOf(chunk)).toBe(100_000 + chunk);
  for (const [oldChunk, newChunk] of pairs.slice(1000)) expect(next.newChunkOf(oldChunk)).toBe(newChunk);
});

test("a table that has changed since it was filled is not handed over", () => {
  const writer = filled(createTable({ originChunks: CHUNKS }));
  for (let chunk = 0; chunk < 256; chunk++) {
    if (writer.stateOf(chunk) === EntryState.None) writer.publish(chunk, 50_000 + chunk, EntryState.Settled);
  }
  expect(() => writer.handOver()).toThrow("before it changes");
});
