import { describe, expect, test } from "vitest";
import { SnapshotState } from "../../../src/base/states.ts";
import { createSnapshotWords, SnapshotWords, SnapshotWordsReader } from "../../../src/table/snapshot-words.ts";

function make(): { main: SnapshotWords; reader: SnapshotWordsReader; memory: SharedArrayBuffer } {
  const memory = createSnapshotWords();
  return { main: new SnapshotWords(memory), reader: new SnapshotWordsReader(memory), memory };
}

describe("snapshot words", () => {
  test("a new snapshot is absent until main says otherwise", () => {
    const { main, reader } = make();
    expect(reader.state()).toBe(SnapshotState.Absent);
    main.setState(SnapshotState.Invalid);
    expect(reader.state()).toBe(SnapshotState.Invalid);
  });

  test("sequence numbers are compared by difference, also across the wrap (C-13)", () => {
    const { main, reader } = make();
    for (const sequence of [2 ** 30, 2147483647]) {
      main.setVisible(sequence);
      main.setDurable(sequence);
    }
    main.setVisible(-2147483648);
    expect(reader.isDurable(reader.visible())).toBe(false);
    main.setDurable(-2147483648);
    expect(reader.isDurable(reader.visible())).toBe(true);
    expect(reader.isDurable(2147483647)).toBe(true);
  });

  test("what is visible or durable stays so, and nothing is durable that is not visible", () => {
    const { main } = make();
    main.setVisible(5);
    main.setDurable(4);
    expect(() => main.setVisible(5)).toThrow("what is visible stays so");
    expect(() => main.setDurable(3)).toThrow("what is durable stays so");
    expect(() => main.setDurable(6)).toThrow("what is durable is visible");
  });

  test("only what touches the merging range must wait (C-39)", () => {
    const { main, reader } = make();
    expect(reader.overlapsMergeRange(0, 2 ** 40)).toBe(false);
    main.setMergeRange(2 ** 33 + 8, 16);
    expect(reader.overlapsMergeRange(2 ** 33, 8)).toBe(false);
    expect(reader.overlapsMergeRange(2 ** 33, 9)).toBe(true);
    expect(reader.overlapsMergeRange(2 ** 33 + 23, 1)).toBe(true);
    expect(reader.overlapsMergeRange(2 ** 33 + 24, 8)).toBe(false);
    expect(reader.overlapsMergeRange(0, 2 ** 40)).toBe(true);
    main.setMergeRange(0, 0);
    expect(reader.overlapsMergeRange(2 ** 33 + 8, 16)).toBe(false);
  });

  test("a range that is half stored counts as touched", () => {
    const { main, reader, memory } = make();
    main.setMergeRange(100, 10);
    // The version word is odd while main is between its stores.
    const words = new Int32Array(memory);
    const version = words.indexOf(2, 16);
    words[version] = 3;
    expect(reader.overlapsMergeRange(5000, 1)).toBe(true);
    words[version] = 4;
    expect(reader.overlapsMergeRange(5000, 1)).toBe(false);
  });

  test("tracking lives in the same memory and disturbs nothing", () => {
    const { main, reader } = make();
    main.setState(SnapshotState.Active);
    const parities = reader.tracking.beginRange(8184, 200);
    expect(main.tracking.readers(main.tracking.bucketOf(8184), 0)).toBe(1);
    expect(reader.state()).toBe(SnapshotState.Active);
    expect(reader.tracking.endRange(8184, 200, parities)).toBe(0);
  });
});
