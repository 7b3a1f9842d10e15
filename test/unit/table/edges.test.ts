/** What nobody may do to the words of a snapshot and to its table: each at the last value that is right, and at the first that is not. */
import { describe, expect, test } from "vitest";
import { TRACK_BUCKETS } from "../../../src/base/constants.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { LeafHeap } from "../../../src/table/leaf-heap.ts";
import { createSnapshotWords, SnapshotWords, SnapshotWordsReader } from "../../../src/table/snapshot-words.ts";
import { createTable, DIRECT_LEAF_WORDS } from "../../../src/table/table-layout.ts";

const INT_MAX = 0x7fff_ffff;

describe("the words of a snapshot", () => {
  test("take every state, and no other number", () => {
    const memory = createSnapshotWords();
    const [main, reader] = [new SnapshotWords(memory), new SnapshotWordsReader(memory)];
    for (const state of Object.values(SnapshotState)) {
      main.setState(state);
      expect(reader.state()).toBe(state);
    }
    for (const state of [-1, SnapshotState.Merging + 1]) {
      expect(() => main.setState(state as SnapshotState)).toThrow("a state of a snapshot");
    }
  });

  test("let what is visible and what is durable go forward only, also over the end of 32 bits (C-22, C-23)", () => {
    const main = new SnapshotWords(createSnapshotWords());
    expect(() => main.setVisible(0)).toThrow("what is visible stays so");
    expect(() => main.setVisible(-1)).toThrow("what is visible stays so");
    main.setVisible(INT_MAX);
    expect(() => main.setDurable(-1)).toThrow("what is durable stays so");
    main.setDurable(0);
    main.setDurable(INT_MAX);
    main.setVisible(-INT_MAX);
    main.setDurable(-INT_MAX - 1);
    expect(() => main.setDurable(-INT_MAX + 1)).toThrow("what is durable is visible");
    main.setDurable(-INT_MAX);
    expect(() => main.setDurable(INT_MAX)).toThrow("what is durable stays so");
  });
});

describe("tracked reads", () => {
  test("are counted in buckets that there are, and never below nothing", () => {
    const memory = createSnapshotWords();
    const { tracking } = new SnapshotWords(memory);
    for (const bucket of [-1, TRACK_BUCKETS]) {
      expect(() => tracking.flip(bucket)).toThrow("a bucket of tracked reads");
      expect(() => tracking.awaitDrain(bucket)).toThrow("a bucket of tracked reads");
    }
    for (const bucket of [0, TRACK_BUCKETS - 1]) {
      tracking.flip(bucket);
      tracking.awaitDrain(bucket);
      expect([tracking.parity(bucket), tracking.readers(bucket, 0)]).toEqual([1, 0]);
    }
    const reader = new SnapshotWordsReader(memory).tracking;
    expect(() => reader.end(5, 0)).toThrow("tracked read ended twice");
    expect(() => tracking.readers(5, 0)).toThrow("no read has ended twice");
    expect(() => reader.beginRange(0, 0)).toThrow("piece spans too many buckets");
  });
});

describe("the heap of a table", () => {
  test("has leaves of the sizes that there are", () => {
    const heap = new LeafHeap(createTable({ originChunks: 256 }));
    expect(() => heap.allocate(DIRECT_LEAF_WORDS + 4)).toThrow();
    expect(() => heap.allocate(-1)).toThrow();
    expect(heap.allocate(DIRECT_LEAF_WORDS)).toBeGreaterThan(0);
  });

  test("takes back its own leaves, each once", () => {
    const heap = new LeafHeap(createTable({ originChunks: 256 }));
    const [first, second] = [heap.allocate(3), heap.allocate(3)];
    for (const leaf of [0, first - 1, heap.topWord]) expect(() => heap.retire(leaf)).toThrow("a leaf of this heap");
    heap.retire(first);
    heap.releaseQuarantine();
    expect(() => heap.retire(first)).toThrow("a leaf is retired once");
    heap.retire(second);
    heap.releaseQuarantine();
    heap.verify();
  });
});
