/** The shared words of a volume: what main stores is what a worker loads, and no part of them lies over another. */
import { expect, it } from "vitest";
import { MAX_EXPORT_WORKERS, MAX_SNAPSHOTS } from "../../../src/base/constants.ts";
import { GATE_COUNT } from "../../../src/base/gate-numbers.ts";
import { createVolumeWords, VolumeReader, VolumeWords } from "../../../src/ring/volume-words.ts";

it("the list of snapshots, whole, longer and shorter", () => {
  const memory = createVolumeWords();
  const [main, worker] = [new VolumeWords(memory), new VolumeReader(memory, 0)];
  const listed = (): number[] => Array.from({ length: worker.listCount() }, (_, i) => worker.listed(i));
  expect(listed()).toEqual([]);
  for (const list of [[3], [7, 0, 255], [1], []]) {
    main.setList(list);
    expect(listed()).toEqual(list);
  }
});

it("the merging snapshot, which may be the first one, or none", () => {
  const memory = createVolumeWords();
  const [main, worker] = [new VolumeWords(memory), new VolumeReader(memory, 0)];
  expect(worker.merging()).toBe(-1);
  for (const snapshot of [0, -1, MAX_SNAPSHOTS - 1, -1]) {
    main.setMerging(snapshot);
    expect(worker.merging()).toBe(snapshot);
  }
});

it("every gate of every worker is one of its own, beside the longest list", () => {
  const memory = createVolumeWords();
  const main = new VolumeWords(memory);
  const all = Array.from({ length: MAX_SNAPSHOTS }, (_, i) => MAX_SNAPSHOTS - 1 - i);
  main.setList(all);
  main.setMerging(5);
  const workers = [0, MAX_EXPORT_WORKERS - 1].map((worker) => new VolumeReader(memory, worker));
  for (let gate = 0; gate < GATE_COUNT; gate++) {
    for (const worker of workers) expect(worker.pass(gate).enter()).toBe(true);
    main.gate(gate).close();
  }
  for (let gate = 0; gate < GATE_COUNT; gate++) {
    expect(main.gate(gate).inFlight()).toBe(2);
    for (const worker of workers) expect(worker.pass(gate).leave()).toBe(true);
    expect([main.gate(gate).inFlight(), main.gate(gate).isClosed]).toEqual([0, true]);
  }
  const [worker] = workers;
  expect(all.map((_, i) => worker!.listed(i))).toEqual(all);
  expect([worker!.listCount(), worker!.merging()]).toEqual([MAX_SNAPSHOTS, 5]);
});

it("what is no gate, no snapshot, or one too many is a programmer's error", () => {
  const main = new VolumeWords(createVolumeWords());
  for (const gate of [-1, GATE_COUNT]) expect(() => main.gate(gate)).toThrow("a volume has this gate");
  for (const list of [[-1], [MAX_SNAPSHOTS], new Array<number>(MAX_SNAPSHOTS + 1).fill(0)]) {
    expect(() => main.setList(list)).toThrow("the list holds");
  }
  for (const snapshot of [-2, MAX_SNAPSHOTS]) expect(() => main.setMerging(snapshot)).toThrow("a snapshot merges");
  main.setMerging(0);
  for (const other of [0, 1]) expect(() => main.setMerging(other)).toThrow("one snapshot merges at a time");
});
