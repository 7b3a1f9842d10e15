import { expect, test } from "vitest";
import { ChunkNeed } from "../../../src/base/chunk-need.ts";
import { EntryState } from "../../../src/base/states.ts";
import { CoreBench } from "../../support/core/core-bench.ts";

/** One origin write whose exception is durable; `readers` are tracked in its bucket. */
function durable(readers: readonly [number, number]): {
  readonly bench: CoreBench;
  readonly counters: [number, number];
  readonly state: () => EntryState;
} {
  const bench = new CoreBench(800);
  const ports = bench.open();
  const counters = ports.tracking.counters[0]!;
  [counters[0], counters[1]] = readers;
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  bench.metadataDone();
  return { bench, counters, state: () => ports.table.stateOf(0) };
}

test("without readers a durable exception settles at once, and the origin write is released (C-24)", () => {
  const { bench, state } = durable([0, 0]);
  expect(state()).toBe(EntryState.Settled);
  expect(bench.released.get(1)).toBe(0);
});

test("a tracked read that may still go to the origin holds the origin write (E-20, C-24)", () => {
  const { bench, counters, state } = durable([1, 0]);
  expect(state()).toBe(EntryState.Visible);
  expect(bench.released.has(1)).toBe(false);
  counters[0] = 0;
  bench.core.drained(0, 0);
  expect(state()).toBe(EntryState.Settled);
  expect(bench.released.get(1)).toBe(0);
});

test("both counters are seen at 0, first the one that new readers do not use (drain W_OLD)", () => {
  const { bench, counters, state } = durable([1, 1]);
  counters[0] = 0;
  bench.core.drained(0, 0);
  expect(state()).toBe(EntryState.Visible);
  counters[1] = 0;
  bench.core.drained(0, 0);
  expect(state()).toBe(EntryState.Settled);
});

test("new readers behind the flip do not hold the drain (drain W_ONE)", () => {
  const { bench, counters, state } = durable([1, 0]);
  // The flip has been made: readers of other chunks count with parity 1 now.
  counters[1] = 5;
  counters[0] = 0;
  bench.core.drained(0, 0);
  expect(state()).toBe(EntryState.Settled);
});

test("a DRAINED that comes too early only makes main look again (C-24)", () => {
  const { bench, state } = durable([1, 0]);
  bench.core.drained(0, 0);
  bench.core.drained(0, 3);
  expect(state()).toBe(EntryState.Visible);
});

test("what becomes durable while a drain is under way takes the next one (C-24)", () => {
  const { bench, counters, state } = durable([1, 0]);
  const table = bench.ports[0]!.table;
  bench.core.needOrigin(2, 32, 8);
  bench.copied();
  bench.metadataDone();
  counters[1] = 1;
  counters[0] = 0;
  bench.core.drained(0, 0);
  expect([state(), table.stateOf(4)]).toEqual([EntryState.Settled, EntryState.Visible]);
  counters[1] = 0;
  bench.core.drained(0, 0);
  expect(table.stateOf(4)).toBe(EntryState.Settled);
  expect(bench.released.get(2)).toBe(0);
});

test("an exception that nobody waits for settles, too: later origin writes find it done (C-24)", () => {
  const bench = new CoreBench(800, { early: false });
  const ports = bench.open();
  bench.core.needChunk(1, 0, 6, ChunkNeed.Copy);
  bench.copied();
  bench.metadataDone();
  expect(ports.table.stateOf(6)).toBe(EntryState.Settled);
});

test("where no reader is about, nobody is asked to say so (C-5)", () => {
  const { bench } = durable([0, 0]);
  expect(bench.ports[0]!.tracking.waiting).toEqual([false, false, false, false]);
});

test("a reader that leaves just before it could have been asked is seen to have left (C-5)", () => {
  const bench = new CoreBench(800);
  const ports = bench.open();
  const counters = ports.tracking.counters[0]!;
  counters[1] = 1;
  ports.tracking.awaitDrain = () => void (counters[1] = 0);
  bench.core.needOrigin(1, 0, 8);
  bench.copied();
  bench.metadataDone();
  expect(ports.table.stateOf(0)).toBe(EntryState.Settled);
});
