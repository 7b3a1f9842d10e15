/** What comes next in a leaf, from any place to any end: in a list, sorted or as it came, and in a direct leaf. */
import { describe, expect, test } from "vitest";
import { EntryState } from "../../../src/base/states.ts";
import { nextMapped } from "../../../src/table/leaf-search.ts";
import { createTable, DIRECTORY_WORD, viewOf } from "../../../src/table/table-layout.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

describe.each([
  ["a list", [3, 60, 61, 200, 20, 10]],
  ["a direct leaf", Array.from({ length: 200 }, (_, i) => (i * 37) & 255)],
])("the next exception of %s", (_, offsets) => {
  test("is at the place itself, or the nearest behind it, or the end", () => {
    const memory = createTable({ originChunks: 256 });
    const writer = new TableWriter(memory);
    const there = new Set(offsets);
    for (const offset of offsets) writer.publish(offset, 3 * offset, EntryState.Visible);
    const check = (): void => {
      const words = viewOf(memory);
      const leaf = words[DIRECTORY_WORD]!;
      for (let from = 0; from < 256; from++) {
        let next = from;
        while (next < 256 && !there.has(next)) next++;
        for (const end of [from + 1, from + 2, from + 40, 256].filter((one) => one <= 256)) {
          const found = nextMapped(words, leaf, from, end);
          if (found !== Math.min(next, end)) expect([from, end, found]).toEqual([from, end, Math.min(next, end)]);
        }
      }
    };
    check();
    for (const offset of offsets.slice(-4)) {
      writer.remove(offset);
      there.delete(offset);
    }
    check();
    for (let offset = 250; offset < 256; offset++) {
      if (there.delete(offset)) writer.remove(offset);
    }
    check();
  });
});
