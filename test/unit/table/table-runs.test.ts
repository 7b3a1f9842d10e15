/** How far what a reader has found goes on: over entries, groups and kinds of leaves, and what is settled of it. */
import { expect, test } from "vitest";
import { EntryState } from "../../../src/base/states.ts";
import { createTable } from "../../../src/table/table-layout.ts";
import { TableReader } from "../../../src/table/table-reader.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

const { None, Visible, Settled } = EntryState;
const CHUNKS = 1024;

/** First chunk, chunks, first new chunk. */
const RUNS = [
  [250, 12, 1000],
  [262, 1, 1013],
  [263, 2, 1014],
  [266, 1, 1016],
  [510, 260, 3000],
  [1020, 4, 9],
] as const;

test("a lookup goes as far as its limit, or to where the run ends (C-10)", () => {
  const memory = createTable({ originChunks: CHUNKS });
  const [writer, reader] = [new TableWriter(memory), new TableReader(memory)];
  const mapped = new Map<number, number>();
  for (const [first, count, newChunk] of RUNS) for (let i = 0; i < count; i++) mapped.set(first + i, newChunk + i);
  const count = mapped.size;
  writer.loadSettled({ count, oldLow: Uint32Array.from(mapped.keys()), newLow: Uint32Array.from(mapped.values()) });
  const visible = [265, 770, 900];
  for (const [i, chunk] of visible.entries()) {
    mapped.set(chunk, [1016, 3260, 7][i]!);
    writer.publish(chunk, mapped.get(chunk)!, Visible);
  }
  for (const chunk of [
    0, 200, 249, 250, 251, 255, 256, 260, 261, 262, 263, 264, 265, 266, 267, 509, 510, 511, 512, 600, 767, 768, 769,
    770, 771, 900, 1019, 1020, 1023,
  ]) {
    for (const limit of [1, 2, 3, 5, 6, 7, 12, 13, 255, 256, 257, 261, 262].filter((one) => chunk + one <= CHUNKS)) {
      const state = reader.lookup(chunk, limit);
      const at = mapped.get(chunk);
      let length = 1;
      while (length < limit && mapped.get(chunk + length) === (at === undefined ? undefined : at + length)) length++;
      const expected = at === undefined ? None : visible.includes(chunk) ? Visible : Settled;
      expect([chunk, limit, state, reader.runLength]).toEqual([chunk, limit, expected, length]);
      if (at !== undefined) expect(reader.newChunk).toBe(at);
      let settled = 0;
      while (mapped.has(chunk + settled) && !visible.includes(chunk + settled)) settled++;
      expect([chunk, limit, reader.allSettled(chunk, limit)]).toEqual([chunk, limit, settled >= limit]);
    }
  }
});
