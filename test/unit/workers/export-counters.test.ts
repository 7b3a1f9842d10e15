/**
 * What an export worker counts: every kind of request in its own column, whichever way it ends, and what the worker itself holds.
 */
import { describe, expect, it } from "vitest";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { ExportCounter, histogramAt, WorkerCounter } from "../../../src/ring/counters.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { stopClock } from "../../support/stopped-clock.ts";
import { isDeviceFile } from "../../../src/ring/file-table.ts";

const EIO = 5;
const MIB = 2 ** 20;

const clock = stopClock();

/** What differs from zero in the counters of an export, by name; but for operations, of which a request has any number. */
function counted({ counters }: { readonly counters: Float64Array }): Record<string, number> {
  const names = Object.entries(ExportCounter).filter(([name]) => name !== "Operations");
  return Object.fromEntries(names.map(([name, at]) => [name, counters[at]!]).filter(([, value]) => value !== 0));
}

describe("a request is counted as its export's", () => {
  it.each([
    ["a read", Command.Read, { Reads: 1, ReadBytes: 512 }],
    ["a write", Command.Write, { Writes: 1, WrittenBytes: 512 }],
    ["zeroes", Command.WriteZeroes, { Zeroes: 1 }],
    // The origin's is settled; a snapshot's is left as it is.
    ["a trim", Command.Trim, { Trims: 1, TrimmedBytes: 512 }, { Trims: 1, UntrimmedBytes: 512 }],
    ["a flush", Command.Flush, { Flushes: 1 }],
    ["a hint", Command.Cache, { Others: 1 }],
  ])("%s", (_, command, expected, ofSnapshot: Record<string, number> = expected) => {
    const bench = new ExportBench();
    const other = bench.addSnapshot(0);
    const snapshot = bench.addSnapshot(2);
    bench.publish(snapshot, 0, 3, true);
    for (const [name, its, not, what] of [
      ["", bench, snapshot, expected],
      ["s2", snapshot, other, ofSnapshot],
    ] as const) {
      const client = bench.connect(name);
      const payload = command === Command.Write ? dataPattern(512, 2) : new Uint8Array(0);
      // Not at the beginning: a place is no length.
      const [at, length] = command === Command.Flush ? [0, 0] : [1024, 512];
      client.request(command, at, length, 0, payload);
      bench.run();
      expect(Object.values(client.errors())).toEqual([0]);
      expect(counted(its)).toEqual(what);
      expect(counted(not)).toEqual({});
    }
  });

  it("also where it fails, with its error and without its bytes", () => {
    const bench = new ExportBench();
    const client = bench.connect();
    bench.ring.fault = (o) => (isDeviceFile(o.file) ? -EIO : undefined);
    client.read(0, 512);
    client.write(0, dataPattern(512, 2));
    client.request(Command.Flush, 0, 0);
    bench.run();
    expect(counted(bench)).toEqual({ Reads: 1, Writes: 1, Flushes: 1, Errors: 3 });
  });

  it("once, and with all of its bytes, where it goes part by part; one that fails in a later part is an error", () => {
    const bench = new ExportBench({ originBytes: 34 * MIB });
    const client = bench.connect();
    client.read(0, 34 * MIB);
    client.write(0, dataPattern(34 * MIB, 2));
    bench.run();
    expect(counted(bench)).toEqual({ Reads: 1, ReadBytes: 34 * MIB, Writes: 1, WrittenBytes: 34 * MIB });
    bench.ring.fault = (o) => (o.op === IoOp.Read && o.position >= 3 * MIB ? -EIO : undefined);
    client.read(0, 34 * MIB);
    bench.run();
    expect(counted(bench)).toMatchObject({ Reads: 2, ReadBytes: 34 * MIB, Errors: 1 });
  });

  it("and so is each operation of a device that it takes", () => {
    const bench = new ExportBench();
    const client = bench.connect();
    for (let i = 0; i < 3; i++) client.read(0, 512);
    bench.run();
    expect(bench.counters[ExportCounter.Operations]).toBe(3);
  });

  it("with the time that it took", () => {
    const bench = new ExportBench();
    const client = bench.connect();
    bench.ring.held = (o) => o.op === IoOp.Read;
    client.read(0, 512);
    bench.run();
    clock.now += 3;
    bench.ring.held = () => false;
    bench.run();
    // 3000 µs are less than 2^12 and not less than 2^11.
    const { counters } = bench;
    const histogram = [...counters.subarray(histogramAt(ExportCounter.Reads), histogramAt(ExportCounter.Writes))];
    expect(histogram.map((value, bucket) => [bucket, value]).filter(([, value]) => value > 0)).toEqual([[12, 1]]);
  });
});

it("what a worker has under way is told before it sleeps, and how many it serves", () => {
  const bench = new ExportBench();
  bench.addSnapshot();
  const { counters } = bench.context;
  const client = bench.connect("s0");
  bench.connect();
  client.write(100, dataPattern(512, 2));
  bench.run();
  const gauges = (): number[] =>
    [WorkerCounter.Connections, WorkerCounter.Requests, WorkerCounter.Pieces, WorkerCounter.Slots].map(
      (at) => counters[at]!,
    );
  // Its own slot, and one to put the chunk together in.
  expect(gauges()).toEqual([2, 1, 1, 2]);
  const [token] = bench.tokens(Message.NeedChunk);
  bench.release(token, EIO);
  bench.run();
  expect(gauges()).toEqual([2, 0, 0, 0]);
  client.disconnect();
  bench.run();
  expect(gauges()).toEqual([1, 0, 0, 0]);
});
