import { describe, expect, test } from "vitest";
import { TABLE_BYTES_MAX, TABLE_CHUNKS_MAX, TABLE_NEW_CHUNKS_MAX } from "../../../src/base/constants.ts";
import { EntryState } from "../../../src/base/states.ts";
import { createTable } from "../../../src/table/table-layout.ts";
import { TableReader } from "../../../src/table/table-reader.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

const { None, Visible, Settled } = EntryState;

function make(originChunks: number): { writer: TableWriter; reader: TableReader; memory: SharedArrayBuffer } {
  const memory = createTable({ originChunks });
  return { writer: new TableWriter(memory), reader: new TableReader(memory), memory };
}

function fill(writer: TableWriter, first: number, count: number, newChunk: number, state: EntryState = Settled): void {
  for (let i = 0; i < count; i++) writer.publish(first + i, newChunk + i, state);
}

describe("table", () => {
  test("an empty table has no exception anywhere", () => {
    const { writer, reader } = make(1000);
    expect(writer.stateOf(0)).toBe(None);
    expect(writer.count()).toBe(0);
    expect(reader.lookup(999)).toBe(None);
    expect(reader.lookup(0, 1000)).toBe(None);
    expect(reader.runLength).toBe(1000);
    expect(reader.allSettled(0, 1)).toBe(false);
  });

  test("a group without an exception has none, whatever the words before the directory look like (C-3, C-10)", () => {
    const { writer, reader, memory } = make(512);
    // The number of groups reads as a settled entry of a group's first chunk, the generation as where that is.
    new Int32Array(memory)[1] = 6;
    writer.publish(255, 5, Settled);
    expect([reader.lookup(255, 2), reader.runLength]).toEqual([Settled, 1]);
    expect(reader.allSettled(255, 1)).toBe(true);
    expect(reader.allSettled(255, 2)).toBe(false);
    expect(reader.allSettled(256, 1)).toBe(false);
  });

  test("an exception goes from none to visible to settled (C-22, C-24)", () => {
    const { writer, reader } = make(1000);
    writer.publish(300, 77, Visible);
    expect(reader.lookup(300)).toBe(Visible);
    expect(reader.newChunk).toBe(77);
    expect(reader.allSettled(300, 1)).toBe(false);
    writer.settle(300);
    expect(reader.lookup(300)).toBe(Settled);
    expect(reader.newChunk).toBe(77);
    expect(reader.allSettled(300, 1)).toBe(true);
    writer.remove(300);
    expect(reader.lookup(300)).toBe(None);
    expect(writer.count()).toBe(0);
  });

  test("chunk numbers beyond 32 bits keep all their bits", () => {
    const { writer, reader } = make(TABLE_CHUNKS_MAX);
    const oldChunk = TABLE_CHUNKS_MAX - 1;
    const newChunk = TABLE_NEW_CHUNKS_MAX - 1;
    writer.publish(oldChunk, newChunk, Settled);
    writer.publish(oldChunk % 2 ** 32, 5, Settled);
    expect(reader.lookup(oldChunk)).toBe(Settled);
    expect(reader.newChunk).toBe(newChunk);
    expect(writer.newChunkOf(oldChunk)).toBe(newChunk);
    expect(reader.lookup(oldChunk - 2 ** 35)).toBe(None);
    expect([...writer.runs()].map((run) => run.oldChunk)).toEqual([oldChunk % 2 ** 32, oldChunk]);
    expect(() => writer.publish(0, newChunk + 1, Settled)).toThrow("new chunk does not fit");
  });

  test("an origin with too many chunks is refused with a hint", () => {
    expect(() => createTable({ originChunks: TABLE_CHUNKS_MAX + 1 })).toThrow(
      expect.objectContaining({ code: "EFBIG", hint: "use a larger chunk size" }),
    );
    expect(createTable({ originChunks: TABLE_CHUNKS_MAX }).maxByteLength).toBe(TABLE_BYTES_MAX);
  });

  test("a second exception for a chunk is a programmer error", () => {
    const { writer } = make(1000);
    writer.publish(1, 2, Visible);
    expect(() => writer.publish(1, 3, Visible)).toThrow("chunk has an exception already");
    expect(() => writer.settle(2)).toThrow("chunk has no exception");
    expect(() => writer.remove(2)).toThrow("chunk has no exception");
    expect(() => writer.publish(2000, 3, Visible)).toThrow("outside of the origin");
  });

  test("a leaf grows through every list size into a direct leaf and back into a run", () => {
    const { writer, reader } = make(256);
    for (let i = 0; i < 256; i++) {
      // An order without neighbours, so that nothing can be folded on the way.
      const offset = (i * 37) & 255;
      writer.publish(offset, 1000 + offset, Visible);
      for (let j = 0; j < 256; j++) {
        const there = ((j * 173) & 255) <= i;
        const state = reader.lookup(j);
        // One comparison per chunk: `expect` would be the test's whole time.
        if (state !== (there ? Visible : None)) expect([i, j, state]).toBe("as it was published");
        if (there && reader.newChunk !== 1000 + j) expect([i, j, reader.newChunk]).toBe("where it was published");
      }
    }
    const direct = writer.memoryBytes();
    for (let offset = 0; offset < 256; offset++) writer.settle(offset);
    expect([...writer.runs()]).toEqual([{ oldChunk: 0, newChunk: 1000, count: 256, settled: true }]);
    expect(reader.lookup(3, 256 - 3)).toBe(Settled);
    expect(reader.runLength).toBe(253);
    expect(writer.memoryBytes()).toBeLessThanOrEqual(direct + 16);
    writer.verify();
  });

  test("a run that loses its last chunks shrinks in place (C-37)", () => {
    const { writer, reader } = make(512);
    fill(writer, 0, 512, 100);
    const bytes = writer.memoryBytes();
    for (let chunk = 511; chunk >= 0; chunk--) {
      writer.remove(chunk);
      expect(reader.lookup(chunk)).toBe(None);
      if (chunk > 0) expect(reader.lookup(chunk - 1)).toBe(Settled);
    }
    expect(writer.memoryBytes()).toBeLessThanOrEqual(bytes);
    expect(writer.count()).toBe(0);
    expect([...writer.runs()]).toEqual([]);
    writer.verify();
  });

  test("a run that loses a chunk in its middle is split", () => {
    const { writer, reader } = make(256);
    writer.loadSettled({
      count: 5,
      oldLow: Uint32Array.of(10, 11, 12, 13, 14),
      newLow: Uint32Array.of(50, 51, 52, 53, 54),
    });
    writer.remove(12);
    expect(reader.lookup(10, 10)).toBe(Settled);
    expect(reader.runLength).toBe(2);
    expect(reader.lookup(12, 10)).toBe(None);
    expect(reader.runLength).toBe(1);
    expect(reader.lookup(13, 10)).toBe(Settled);
    expect(reader.newChunk).toBe(53);
    expect(reader.runLength).toBe(2);
    expect(reader.allSettled(10, 2)).toBe(true);
    expect(reader.allSettled(10, 3)).toBe(false);
    writer.remove(10);
    expect(reader.lookup(11)).toBe(Settled);
    expect(reader.newChunk).toBe(51);
  });

  test("a chunk that was removed can have a new exception, in a list and in a direct leaf", () => {
    for (const others of [1, 5, 200]) {
      const { writer, reader } = make(256);
      for (let i = 0; i < others; i++) writer.publish(i, 5000 + 2 * i, Settled);
      for (let round = 0; round < 300; round++) {
        writer.publish(255, round, Visible);
        expect(reader.lookup(255)).toBe(Visible);
        expect(reader.newChunk).toBe(round);
        writer.settle(255);
        writer.remove(255);
        expect(reader.lookup(255)).toBe(None);
      }
      expect(writer.count()).toBe(others);
      writer.verify();
    }
  });

  test("runs of mapped chunks go on across groups and do not care about visible or settled", () => {
    const { writer, reader } = make(4096);
    fill(writer, 200, 300, 9000);
    fill(writer, 500, 100, 9300, Visible);
    writer.publish(600, 9401, Settled);
    expect(reader.lookup(200, 1000)).toBe(Settled);
    expect(reader.runLength).toBe(400);
    expect(reader.lookup(300, 50)).toBe(Settled);
    expect(reader.newChunk).toBe(9100);
    expect(reader.runLength).toBe(50);
    expect(reader.lookup(499, 2)).toBe(Settled);
    expect(reader.lookup(599, 100)).toBe(Visible);
    expect(reader.runLength).toBe(1);
    expect(reader.allSettled(200, 300)).toBe(true);
    expect(reader.allSettled(200, 301)).toBe(false);
  });

  test("runs of chunks without an exception end where one is, in any kind of leaf", () => {
    const { writer, reader } = make(4096);
    writer.publish(1000, 1, Visible);
    for (let i = 0; i < 256; i++) if (i !== 17 && i !== 18) writer.publish(2048 + i, 3000 + 2 * i, Visible);
    expect(reader.lookup(0, 4096)).toBe(None);
    expect(reader.runLength).toBe(1000);
    expect(reader.lookup(990, 5)).toBe(None);
    expect(reader.runLength).toBe(5);
    expect(reader.lookup(1001, 3000)).toBe(None);
    expect(reader.runLength).toBe(2048 - 1001);
    expect(reader.lookup(2048 + 17, 100)).toBe(None);
    expect(reader.runLength).toBe(2);
    expect(reader.lookup(2048 + 256, 4096 - 2304)).toBe(None);
    expect(reader.runLength).toBe(4096 - 2304);
  });

  test("a reader that was made before the memory grew finds what is in the new part (C-2, C-26)", () => {
    const { writer, reader, memory } = make(2 ** 22);
    const before = memory.byteLength;
    for (let chunk = 0; chunk < 2 ** 22; chunk += 97) writer.publish(chunk, chunk + 1, Visible);
    expect(memory.byteLength).toBeGreaterThan(before);
    for (let chunk = 2 ** 22 - (2 ** 22 % 97); chunk >= 0; chunk -= 97) {
      const found = reader.lookup(chunk) === Visible && reader.newChunk === chunk + 1;
      if (!found) expect([chunk, reader.newChunk]).toBe("found");
    }
  });

  test("replaced leaves are used again: endless change needs no endless memory", () => {
    const { writer } = make(2 ** 16);
    let peak = 0;
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 4000; i++) writer.publish((i * 16 + round) % 2 ** 16, i, Visible);
      if (round === 3) peak = writer.memoryBytes();
      for (let i = 0; i < 4000; i++) writer.remove((i * 16 + round) % 2 ** 16);
    }
    for (let i = 0; i < 4000; i++) writer.publish(i * 16, i, Visible);
    expect(writer.memoryBytes()).toBeLessThan(peak * 1.5);
    writer.verify();
  });

  test("a table knows how many more exceptions it can take for sure", () => {
    const { writer, memory } = make(TABLE_CHUNKS_MAX);
    expect(writer.hasRoomFor(10_000)).toBe(true);
    expect(memory.byteLength).toBeLessThan(2 ** 30 + 2 ** 20);
    const small = make(256);
    expect(small.writer.hasRoomFor(2 ** 20)).toBe(false);
  });
});
