import { describe, expect, test } from "vitest";
import { MERGE_STRETCHES_MAX } from "../../../src/base/constants.ts";
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

  test("a worker sees the epoch that its reserved chunks must be of", () => {
    const { main, reader } = make();
    expect(reader.reserveEpoch()).toBe(0);
    main.setReserveEpoch(7);
    expect(reader.reserveEpoch()).toBe(7);
    expect([reader.state(), reader.visible(), reader.isDurable(0)]).toEqual([SnapshotState.Absent, 0, true]);
  });

  test("what is visible or durable stays so, and nothing is durable that is not visible", () => {
    const { main } = make();
    main.setVisible(5);
    main.setDurable(4);
    expect(() => main.setVisible(5)).toThrow("what is visible stays so");
    expect(() => main.setDurable(3)).toThrow("what is durable stays so");
    expect(() => main.setDurable(6)).toThrow("what is durable is visible");
  });

  test("only what meets a chunk that is being merged must wait (C-39)", () => {
    const { main, reader } = make();
    expect(reader.meetsMergeRange(0, 2 ** 40)).toBe(false);
    main.setMergeRange([
      { first: 3, count: 1 },
      { first: 5, count: 2 },
      { first: 2 ** 33 + 8, count: 16 },
    ]);
    const met = [0, 1, 2, 3, 4, 5, 6, 7, 8].filter((chunk) => reader.meetsMergeRange(chunk, 1));
    expect(met).toEqual([3, 5, 6]);
    expect([reader.meetsMergeRange(0, 3), reader.meetsMergeRange(0, 4), reader.meetsMergeRange(4, 2)]).toEqual([
      false,
      true,
      true,
    ]);
    expect([8, 9].map((count) => reader.meetsMergeRange(2 ** 33, count))).toEqual([false, true]);
    expect([23, 24].map((at) => reader.meetsMergeRange(2 ** 33 + at, 8))).toEqual([true, false]);
    expect(reader.meetsMergeRange(7, 2 ** 33)).toBe(false);
    expect(reader.meetsMergeRange(0, 2 ** 40)).toBe(true);
    main.clearMergeRange();
    expect(reader.meetsMergeRange(5, 1)).toBe(false);
  });

  test("the range has room for a whole step of single chunks, and finds each of them and nothing between", () => {
    const { main, reader } = make();
    main.setMergeRange(Array.from({ length: MERGE_STRETCHES_MAX }, (_, i) => ({ first: 3 * i, count: 1 })));
    for (let chunk = 0; chunk < 3 * MERGE_STRETCHES_MAX; chunk++)
      expect(reader.meetsMergeRange(chunk, 1)).toBe(chunk % 3 === 0);
    main.clearMergeRange();
    main.setMergeRange([{ first: 4, count: 1 }]);
    expect([3, 4, 6].map((chunk) => reader.meetsMergeRange(chunk, 1))).toEqual([false, true, false]);
  });

  test("a range is stored whole, in order, and over no other one", () => {
    const { main } = make();
    expect(() => main.setMergeRange([])).toThrow("the range has room");
    const tooMany = Array.from({ length: MERGE_STRETCHES_MAX + 1 }, (_, i) => ({ first: 2 * i, count: 1 }));
    expect(() => main.setMergeRange(tooMany)).toThrow("the range has room");
    expect(() => main.setMergeRange([{ first: 5, count: 0 }])).toThrow("stretches ascend");
    expect(() =>
      main.setMergeRange([
        { first: 5, count: 1 },
        { first: 6, count: 1 },
      ]),
    ).toThrow();
    main.setMergeRange([{ first: 5, count: 1 }]);
    expect(() => main.setMergeRange([{ first: 9, count: 1 }])).toThrow();
  });

  test("tracking lives in the same memory and disturbs nothing", () => {
    const { main, reader } = make();
    main.setState(SnapshotState.Active);
    main.setMergeRange(Array.from({ length: MERGE_STRETCHES_MAX }, (_, i) => ({ first: 3 * i, count: 1 })));
    const parities = reader.tracking.beginRange(8184, 200);
    expect(main.tracking.readers(main.tracking.bucketOf(8184), 0)).toBe(1);
    expect(reader.state()).toBe(SnapshotState.Active);
    expect(reader.tracking.endRange(8184, 200, parities)).toBe(0);
  });
});
