/**
 * A change between any two loads of a lookup (C-3). There is one thread here: the change is made inside of the load, once at each of them in
 * turn. Whatever the lookup says must have been true before the change or after it.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { EntryState } from "../../../src/base/states.ts";
import { createTable, viewOf } from "../../../src/table/table-layout.ts";
import { TableReader } from "../../../src/table/table-reader.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";

const { None, Visible, Settled } = EntryState;

afterEach(() => vi.restoreAllMocks());

interface Race {
  readonly prepare: (writer: TableWriter) => void;
  readonly change: (writer: TableWriter) => void;
  readonly ask: (reader: TableReader) => unknown;
}

/** The change at each load of a lookup; how many there are. */
function raced({ prepare, change, ask }: Race): number {
  const load = Atomics.load;
  for (let n = 0; ; n++) {
    const memory = createTable({ originChunks: 2048 });
    const writer = new TableWriter(memory);
    prepare(writer);
    const reader = new TableReader(memory);
    const before = JSON.stringify(ask(reader));
    let loads = 0;
    let changed = false;
    vi.spyOn(Atomics, "load").mockImplementation(((words: Int32Array, at: number) => {
      if (!changed && loads++ === n) {
        changed = true;
        change(writer);
      }
      return load(words, at);
    }) as typeof Atomics.load);
    const answer = JSON.stringify(ask(reader));
    vi.restoreAllMocks();
    if (!changed) return n;
    const after = JSON.stringify(ask(reader));
    expect([before, after], `the change at load ${n}`).toContain(answer);
  }
}

function found(reader: TableReader, chunk: number, limit = 1): unknown {
  const state = reader.lookup(chunk, limit);
  return state === None ? [state, reader.runLength] : [state, reader.newChunk, reader.runLength];
}

function publish(writer: TableWriter, first: number, count: number, newChunk: number): void {
  for (let i = 0; i < count; i++) writer.publish(first + i, newChunk + i, Settled);
}

/** Another leaf for the group, and the words of the old one are used for another chunk at the same place. */
function recycle(writer: TableWriter): void {
  publish(writer, 100, 8, 7000);
  for (let round = 0; round < 300; round++) {
    writer.publish(2000, round, Visible);
    writer.remove(2000);
  }
  for (let group = 2; group < 7; group++) writer.publish(group * 256 + 5, 9000 + group, Visible);
}

const RACES: readonly (Race & { readonly name: string })[] = [
  {
    name: "an exception comes where there is no leaf",
    prepare: () => undefined,
    change: (writer) => publish(writer, 5, 3, 100),
    ask: (reader) => found(reader, 5),
  },
  {
    name: "an exception comes behind others of its list",
    prepare: (writer) => publish(writer, 3, 2, 50),
    change: (writer) => writer.publish(5, 100, Visible),
    ask: (reader) => found(reader, 5),
  },
  {
    name: "an exception settles",
    prepare: (writer) => writer.publish(5, 100, Visible),
    change: (writer) => writer.settle(5),
    ask: (reader) => found(reader, 5),
  },
  {
    name: "an exception goes, and its group is empty",
    prepare: (writer) => publish(writer, 5, 1, 100),
    change: (writer) => writer.remove(5),
    ask: (reader) => found(reader, 5),
  },
  {
    name: "an exception goes, and others of its list stay",
    prepare: (writer) => [5, 9, 20, 30].forEach((chunk) => writer.publish(chunk, 2 * chunk, Settled)),
    change: (writer) => writer.remove(5),
    ask: (reader) => found(reader, 5),
  },
  {
    name: "the last chunk of a run goes",
    prepare: (writer) =>
      writer.loadSettled({ count: 3, oldLow: Uint32Array.of(5, 6, 7), newLow: Uint32Array.of(1, 2, 3) }),
    change: (writer) => writer.remove(7),
    ask: (reader) => found(reader, 7),
  },
  {
    name: "the words of a leaf become another's while an exception is looked up",
    prepare: (writer) => writer.publish(5, 100, Settled),
    change: recycle,
    ask: (reader) => found(reader, 5),
  },
  {
    name: "the words of a leaf become another's while nothing is looked up",
    prepare: (writer) => writer.publish(6, 100, Settled),
    change: recycle,
    ask: (reader) => found(reader, 5),
  },
  {
    name: "the words of a leaf become another's while all is settled",
    prepare: (writer) => writer.publish(5, 100, Settled),
    change: recycle,
    ask: (reader) => reader.allSettled(5, 1),
  },
  {
    name: "the words of a leaf become another's while not all is settled",
    prepare: (writer) => {
      writer.publish(5, 100, Visible);
      writer.publish(4, 90, Settled);
    },
    change: recycle,
    ask: (reader) => reader.allSettled(4, 2),
  },
  {
    name: "the first chunk of a stretch without an exception gets one",
    prepare: (writer) => writer.publish(9, 100, Settled),
    change: (writer) => writer.publish(5, 40, Visible),
    ask: (reader) => found(reader, 5, 4),
  },
  {
    name: "the only exception of a range settles, which all the others have",
    prepare: (writer) => {
      publish(writer, 250, 6, 100);
      writer.publish(256, 106, Visible);
    },
    change: (writer) => writer.settle(256),
    ask: (reader) => reader.allSettled(250, 7),
  },
  {
    name: "an exception of a range goes",
    prepare: (writer) => publish(writer, 5, 3, 100),
    change: (writer) => writer.remove(6),
    ask: (reader) => reader.allSettled(5, 3),
  },
];

describe("a lookup says what was so before or after:", () => {
  test.each(RACES)("$name", (race) => {
    expect(raced(race)).toBeGreaterThan(2);
  });
});

test("a leaf in memory that has grown since is found, whatever its place was before (C-2)", () => {
  const memory = createTable({ originChunks: 2048 });
  const [writer, reader] = [new TableWriter(memory), new TableReader(memory)];
  const words = viewOf(memory).length;
  let chunk = 0;
  for (; writer.memoryBytes() / 4 < words; chunk++) writer.publish((chunk * 257) % 2048, 2 * chunk, Visible);
  for (let i = 0; i < chunk; i++) expect([reader.lookup((i * 257) % 2048), reader.newChunk]).toEqual([Visible, 2 * i]);
});
