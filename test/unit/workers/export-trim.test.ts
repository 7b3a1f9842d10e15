/**
 * Trims of the live volume: what no snapshot needs goes to the device, the rest is left as it is, and main hears of neither (E-19).
 */
import { describe, expect, it } from "vitest";
import { ORIGIN_WRITE_GATE } from "../../../src/base/gate-numbers.ts";
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { ExportCounter } from "../../../src/ring/counters.ts";
import { isDeviceFile } from "../../../src/ring/file-table.ts";
import { AllocateMode, IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { neededStretch, settledStretch } from "../../../workers/export/settled.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ORIGIN_FILE } from "../../support/device-numbers.ts";
import { type BenchSnapshot, ExportBench } from "../../support/export-bench.ts";
import { SeededRandom } from "../../support/core/seeded-random.ts";

const CHUNK = 16384;
const MIB = 2 ** 20;
const EIO = 5;
const PAGE = 4096;

interface Trimmed {
  /** [position, length] of what the origin's device was asked to discard, in the order of places. */
  readonly discarded: number[][];
  readonly trimmed: number;
  readonly untrimmed: number;
}

/** A trim that costs nothing: no message to main, no operation but discards, and success. */
function trim(bench: ExportBench, offset: number, length: number): Trimmed {
  const client = bench.connect();
  const { counters } = bench;
  bench.messages = [];
  bench.ring.log.length = 0;
  const [trimmed, untrimmed] = [counters[ExportCounter.TrimmedBytes], counters[ExportCounter.UntrimmedBytes]];
  const cookie = client.request(Command.Trim, offset, length);
  bench.run();
  expect(client.errors()).toEqual({ [cookie]: 0 });
  expect(bench.messages).toEqual([]);
  expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(0);
  return {
    discarded: discards(bench),
    trimmed: counters[ExportCounter.TrimmedBytes] - trimmed,
    untrimmed: counters[ExportCounter.UntrimmedBytes] - untrimmed,
  };
}

function discards(bench: ExportBench): number[][] {
  const asked = bench.ring.log.filter(({ op, file }) => isDeviceFile(file) && op !== IoOp.Cancel);
  for (const { op, file, argument } of asked)
    expect([op, file, argument]).toEqual([IoOp.Allocate, ORIGIN_FILE, AllocateMode.Discard]);
  return asked.map(({ position, length }) => [position, length]).toSorted((a, b) => a[0]! - b[0]!);
}

/** A bench with a snapshot for each chunk size, all of them listed. */
function withSnapshots(...sizes: readonly number[]): { bench: ExportBench; snapshots: BenchSnapshot[] } {
  const bench = new ExportBench();
  const snapshots = sizes.map((chunkBytes, index) => bench.addSnapshot(index, { chunkBytes }));
  bench.volume.setList(sizes.map((_, index) => index));
  return { bench, snapshots };
}

function settle(bench: ExportBench, snapshot: BenchSnapshot, ...chunks: readonly number[]): void {
  for (const chunk of chunks) bench.publish(snapshot, chunk, chunk + 3, true);
}

function numbers(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

describe("a trim of the live volume (E-19)", () => {
  it("goes to the device where there is no snapshot", () => {
    expect(trim(new ExportBench(), 0, MIB)).toEqual({ discarded: [[0, MIB]], trimmed: MIB, untrimmed: 0 });
  });

  it("ends at once and without effect where a snapshot has kept nothing", () => {
    const { bench } = withSnapshots(CHUNK);
    expect(trim(bench, 0, MIB)).toEqual({ discarded: [], trimmed: 0, untrimmed: MIB });
    expect(Buffer.compare(bench.origin, dataPattern(MIB, 1))).toBe(0);
  });

  it("goes to the device in one operation where all snapshots have settled all of it", () => {
    const { bench, snapshots } = withSnapshots(CHUNK, PAGE, 512);
    for (const snapshot of snapshots) settle(bench, snapshot, ...numbers(0, (4 * CHUNK) / snapshot.chunkBytes));
    const expected = { discarded: [[0, 4 * CHUNK]], trimmed: 4 * CHUNK, untrimmed: 0 };
    expect(trim(bench, 0, 4 * CHUNK)).toEqual(expected);
  });

  it.each([
    ["settled before", [0, 1], [[0, 2 * CHUNK]]],
    ["settled behind", [6, 7], [[6 * CHUNK, 2 * CHUNK]]],
    [
      "settled here and there",
      [0, 2, 3, 6],
      [
        [0, CHUNK],
        [2 * CHUNK, 2 * CHUNK],
        [6 * CHUNK, CHUNK],
      ],
    ],
  ])("is cut where it is mixed: %s", (_, settled, discarded) => {
    const { bench, snapshots } = withSnapshots(CHUNK);
    settle(bench, snapshots[0]!, ...settled);
    const trimmed = settled.length * CHUNK;
    expect(trim(bench, 0, 8 * CHUNK)).toEqual({ discarded, trimmed, untrimmed: 8 * CHUNK - trimmed });
  });

  it("leaves what is only visible: a read may be on its way to the origin (C-24)", () => {
    const { bench, snapshots } = withSnapshots(CHUNK);
    settle(bench, snapshots[0]!, 0, 3);
    bench.publish(snapshots[0]!, 1, 9);
    bench.publish(snapshots[0]!, 2, 10);
    const discarded = [
      [0, CHUNK],
      [3 * CHUNK, CHUNK],
    ];
    expect(trim(bench, 0, 4 * CHUNK)).toEqual({ discarded, trimmed: 2 * CHUNK, untrimmed: 2 * CHUNK });
  });

  it("leaves what any one of several snapshots needs, by the chunks of that one", () => {
    const { bench, snapshots } = withSnapshots(4 * CHUNK, CHUNK, PAGE);
    const [large, middle, small] = snapshots as [BenchSnapshot, BenchSnapshot, BenchSnapshot];
    settle(bench, large, 0, 1);
    settle(bench, middle, ...numbers(0, 12).filter((chunk) => chunk !== 2));
    settle(bench, small, ...numbers(0, 48).filter((chunk) => chunk !== 5 && chunk !== 6));
    // Needed: pages 5 and 6 by the small one, 8 … 11 by the middle one, 32 … 47 by the large one.
    expect(trim(bench, 0, 48 * PAGE)).toEqual({
      discarded: [
        [0, 5 * PAGE],
        [7 * PAGE, PAGE],
        [12 * PAGE, 20 * PAGE],
      ],
      trimmed: 26 * PAGE,
      untrimmed: 22 * PAGE,
    });
  });

  it("with ends that are not aligned reaches no page beside them, and counts its own bytes", () => {
    const { bench, snapshots } = withSnapshots(CHUNK);
    settle(bench, snapshots[0]!, 0, 2);
    const [from, to] = [1000, 2 * CHUNK + 5000];
    expect(trim(bench, from, to - from)).toEqual({
      discarded: [
        [PAGE, CHUNK - PAGE],
        [2 * CHUNK, PAGE],
      ],
      trimmed: CHUNK - from + 5000,
      untrimmed: CHUNK,
    });
  });

  it("of chunks that are smaller than a page discards whole pages only", () => {
    const { bench, snapshots } = withSnapshots(512);
    settle(bench, snapshots[0]!, ...numbers(0, 32).filter((chunk) => chunk !== 9));
    expect(trim(bench, 0, 32 * 512)).toMatchObject({
      discarded: [
        [0, PAGE],
        [2 * PAGE, 2 * PAGE],
      ],
      untrimmed: 512,
    });
  });

  it.each([
    ["Invalid", SnapshotState.Invalid, [[0, CHUNK]]],
    ["Merging, and not presented any more", SnapshotState.Merging, [[0, CHUNK]]],
    ["Overflow", SnapshotState.Overflow, []],
    ["Active", SnapshotState.Active, []],
  ])("minds a snapshot by its state, as a write does (C-10): %s", (_, state, discarded) => {
    const { bench, snapshots } = withSnapshots(CHUNK);
    snapshots[0]!.words.setState(state);
    expect(trim(bench, 0, CHUNK).discarded).toEqual(discarded);
  });

  it("goes over many pieces, in which nothing is settled but the last chunk", () => {
    const bench = new ExportBench({ originBytes: 8 * MIB });
    const snapshot = bench.addSnapshot();
    settle(bench, snapshot, (8 * MIB) / CHUNK - 1);
    expect(trim(bench, 5, 8 * MIB - 5)).toEqual({
      discarded: [[8 * MIB - CHUNK, CHUNK]],
      trimmed: CHUNK,
      untrimmed: 8 * MIB - CHUNK - 5,
    });
  });

  it("of an origin whose last chunk is cut short ends with the origin", () => {
    const bench = new ExportBench({ originBytes: 2 * CHUNK + PAGE });
    const snapshot = bench.addSnapshot();
    settle(bench, snapshot, 0);
    expect(trim(bench, 0, 2 * CHUNK + PAGE)).toMatchObject({ trimmed: CHUNK, untrimmed: CHUNK + PAGE });
    settle(bench, snapshot, 2);
    expect(trim(bench, CHUNK, CHUNK + PAGE).discarded).toEqual([[2 * CHUNK, PAGE]]);
  });

  it("is announced in the origin's gate until the device has answered, and looks at the list inside (C-10)", () => {
    const { bench, snapshots } = withSnapshots(CHUNK);
    settle(bench, snapshots[0]!, 0);
    const client = bench.connect();
    bench.ring.held = (o) => o.op === IoOp.Allocate;
    client.request(Command.Trim, 0, CHUNK);
    bench.run();
    expect(bench.volume.gate(ORIGIN_WRITE_GATE).inFlight()).toBe(1);
    bench.ring.held = () => false;
    bench.volume.gate(ORIGIN_WRITE_GATE).close();
    client.request(Command.Trim, 0, CHUNK);
    bench.run();
    // A snapshot that was made meanwhile needs all of it.
    bench.addSnapshot(1);
    bench.volume.setList([0, 1]);
    bench.openGate(ORIGIN_WRITE_GATE);
    bench.run();
    expect(client.replies().map(({ error }) => error)).toEqual([0, 0]);
    expect(discards(bench)).toEqual([[0, CHUNK]]);
    expect(bench.counters[ExportCounter.UntrimmedBytes]).toBe(CHUNK);
  });

  it("that waited at the gate is cut by what it finds then, and goes on to its end", () => {
    const { bench, snapshots } = withSnapshots(CHUNK);
    settle(bench, snapshots[0]!, 1, 3);
    const client = bench.connect();
    bench.volume.gate(ORIGIN_WRITE_GATE).close();
    const cookie = client.request(Command.Trim, 0, 5 * CHUNK);
    bench.run();
    expect(client.errors()).toEqual({});
    bench.openGate(ORIGIN_WRITE_GATE);
    bench.run();
    expect(client.errors()).toEqual({ [cookie]: 0 });
    expect(discards(bench)).toEqual([
      [CHUNK, CHUNK],
      [3 * CHUNK, CHUNK],
    ]);
    const { TrimmedBytes, UntrimmedBytes } = ExportCounter;
    expect([bench.counters[TrimmedBytes], bench.counters[UntrimmedBytes]]).toEqual([2 * CHUNK, 3 * CHUNK]);
  });

  it("with FUA flushes the device behind it, also where nothing went there", () => {
    const { bench } = withSnapshots(CHUNK);
    const client = bench.connect();
    const cookie = client.request(Command.Trim, 0, CHUNK, CommandFlag.Fua);
    bench.run();
    expect(client.errors()).toEqual({ [cookie]: 0 });
    expect(bench.ring.log.filter(({ op }) => op === IoOp.Sync).map(({ file }) => file)).toEqual([ORIGIN_FILE]);
  });

  it("that the device refuses with an error fails, and is not counted", () => {
    const bench = new ExportBench();
    bench.ring.fault = (o) => (o.op === IoOp.Allocate ? -EIO : undefined);
    const client = bench.connect();
    const cookie = client.request(Command.Trim, 0, CHUNK);
    bench.run();
    expect(client.errors()).toEqual({ [cookie]: EIO });
    expect(bench.counters[ExportCounter.TrimmedBytes]).toBe(0);
  });

  it("ends at once while a snapshot is merged, whatever the volume says (E-35), and is counted", () => {
    for (const how of ["keep", "preserve"] as const) {
      const bench = new ExportBench({ trim: how });
      bench.addSnapshot().words.setState(SnapshotState.Merging);
      bench.volume.setList([]);
      bench.volume.setMerging(0);
      expect(trim(bench, 0, 4 * CHUNK)).toEqual({ discarded: [], trimmed: 0, untrimmed: 4 * CHUNK });
    }
  });
});

describe("what is a write all the same (E-16)", () => {
  it.each([
    ["a trim that preserves", Command.Trim, "preserve"],
    ["zeroes", Command.WriteZeroes, "keep"],
    ["zeroes", Command.WriteZeroes, "preserve"],
  ] as const)("%s: the old data is kept first (%s, %s)", (_, command, how) => {
    const bench = new ExportBench({ trim: how });
    const snapshot = bench.addSnapshot();
    settle(bench, snapshot, 0);
    const client = bench.connect();
    const cookie = client.request(command, 0, 2 * CHUNK);
    bench.run();
    const needs = bench.take(Message.NeedOrigin);
    expect(needs.map((words) => words.slice(2, 5))).toEqual([[0, 0, 64]]);
    expect([client.errors(), discards(bench)]).toEqual([{}, []]);
    settle(bench, snapshot, 1);
    bench.release(needs[0]![1]!);
    bench.run();
    expect(client.errors()).toEqual({ [cookie]: 0 });
    const trimmed = command === Command.Trim ? 2 * CHUNK : 0;
    const { TrimmedBytes, UntrimmedBytes } = ExportCounter;
    expect([bench.counters[TrimmedBytes], bench.counters[UntrimmedBytes]]).toEqual([trimmed, 0]);
  });
});

it.each(["keep", "preserve"] as const)(
  "a trim of parts of blocks need not be alone, for it writes none (%s)",
  (how) => {
    const bench = new ExportBench({ originAlign: PAGE, trim: how });
    expect(trim(bench, 512, 2 * PAGE).discarded).toEqual([[PAGE, PAGE]]);
  },
);

describe("trims of a snapshot are counted as its own", () => {
  it("left as they are, without discard_zeroes_cow", () => {
    const bench = new ExportBench();
    const { counters } = bench.addSnapshot();
    bench.connect("s0").request(Command.Trim, 0, 4 * CHUNK);
    bench.run();
    const { TrimmedBytes, UntrimmedBytes } = ExportCounter;
    expect([counters[TrimmedBytes], counters[UntrimmedBytes]]).toEqual([0, 4 * CHUNK]);
  });

  it("with it by what has an exception, and once where it is passed down, too", () => {
    for (const passdown of [false, true]) {
      const bench = new ExportBench();
      const snapshot = bench.addSnapshot(0, { zeroes: true, passdown });
      settle(bench, snapshot, 1);
      bench.connect("s0").request(Command.Trim, 0, 3 * CHUNK);
      bench.run();
      const { TrimmedBytes, UntrimmedBytes } = ExportCounter;
      const { counters } = snapshot;
      const expected = passdown ? [3 * CHUNK, 0] : [CHUNK, 2 * CHUNK];
      expect([counters[TrimmedBytes], counters[UntrimmedBytes]]).toEqual(expected);
    }
  });
});

it("stretches are those of a look at every byte's chunk in every snapshot", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new SeededRandom(seed);
  for (let life = 0; life < 5; life++) {
    const sizes = [512, PAGE, CHUNK, 2 * CHUNK].slice(random.below(4));
    const { bench, snapshots } = withSnapshots(...sizes);
    for (const [i, snapshot] of snapshots.entries()) {
      const state = random.pick([
        SnapshotState.Active,
        SnapshotState.Active,
        SnapshotState.Overflow,
        SnapshotState.Invalid,
      ]);
      snapshot.words.setState(state);
      const percent = random.pick([30, 80, 97, 100]);
      for (let chunk = 0; chunk < MIB / sizes[i]!; chunk++) {
        // One in eight has run together, the next somewhere else.
        if (random.chance(percent))
          snapshot.table.publish(
            chunk,
            chunk + 3 + 7 * (chunk >> 3),
            random.chance(95) ? EntryState.Settled : EntryState.Visible,
          );
      }
    }
    const volume = bench.served;
    const minded = volume.snapshots.filter((one) => one !== undefined && one.words.state() !== SnapshotState.Invalid);
    const isSettled = (at: number): boolean =>
      minded.every((one) => one!.table.allSettled(Math.floor(at / one!.chunkBytes), 1));
    const runOf = (settled: boolean, from: number, end: number): number => {
      let at = from;
      while (at < end && isSettled(at) === settled) at = Math.min(end, at - (at % 512) + 512);
      return at - from;
    };
    for (let i = 0; i < 30; i++) {
      const from = random.below(MIB);
      const length = 1 + random.below(Math.min(MIB - from, random.pick([700, 20_000, MIB])));
      const seen = [neededStretch(volume, from, length), settledStretch(volume, from, length)];
      const expected = [runOf(false, from, from + length), runOf(true, from, from + length)];
      expect(seen, `seed ${seed}, life ${life}: ${from}+${length}`).toEqual(expected);
    }
  }
});
