import { describe, expect, it } from "vitest";
import { IoArg, IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import {
  METADATA_ARENA_BYTES,
  METADATA_ZERO_BYTES,
  METADATA_ZEROES,
  metadataSlotAddress,
} from "../../../src/ring/metadata-arena.ts";
import { MetadataLoop } from "../../../workers/metadata/metadata-loop.ts";
import { FakeRing } from "../../support/fake-ring.ts";
import { sendWords } from "../../support/raw-message.ts";
import { TurnedLoop } from "../../support/turned-loop.ts";
import { cowFile } from "../../support/device-numbers.ts";

class Bench extends TurnedLoop<MetadataLoop> {
  readonly cow: Uint8Array;

  constructor(capacity = 64, jobs = 4) {
    const zeroes = { zeroAddress: METADATA_ZEROES, zeroBytes: METADATA_ZERO_BYTES };
    const ring = new FakeRing(METADATA_ARENA_BYTES, capacity);
    super(ring, 3, (ends) => new MetadataLoop({ ...ends, ...zeroes, wakeAddress: 0, jobs }));
    this.cow = new Uint8Array(64 * METADATA_ZERO_BYTES).fill(0xaa);
    this.ring.files.set(cowFile(0), this.cow);
  }

  /** Steps: [operation, position, bytes, address, durable]. */
  job(id: number, steps: readonly (readonly number[])[], shared = false): void {
    sendWords(this.main, Message.MetadataBegin, id, cowFile(0), steps.length, shared ? 1 : 0);
    for (const [op, position, bytes, address, durable] of steps) {
      sendWords(this.main, Message.MetadataStep, id, op, position, 0, bytes, address, durable);
    }
    this.main.flush();
  }

  /** Operations but the wake-up's read. */
  get operations(): readonly FakeRing["log"][number][] {
    return this.ring.log.filter((o) => o.op !== IoOp.EventRead);
  }
}

const FLUSH = [IoOp.Sync, 0, 0, 0, 0];

describe("metadata worker", () => {
  it("zeroes the next area, flushes, and only then writes the area, durably (S-53)", () => {
    const bench = new Bench();
    bench.ring.bytes.fill(0x55, metadataSlotAddress(3), metadataSlotAddress(3) + 512);
    bench.job(8, [[IoOp.Write, 16384, 4096, -1, 0], FLUSH, [IoOp.Write, 4096, 512, metadataSlotAddress(3), 1]]);
    bench.run();
    expect(bench.operations.map((o) => [o.op, o.position, o.linked, o.argument])).toEqual([
      [IoOp.Write, 16384, true, 0],
      [IoOp.Sync, 0, true, 0],
      [IoOp.Write, 4096, false, IoArg.Dsync],
    ]);
    expect(bench.cow.subarray(16384, 20480).every((b) => b === 0)).toBe(true);
    expect(bench.cow.subarray(4096, 4608).every((b) => b === 0x55)).toBe(true);
    expect(bench.answers).toEqual([[Message.MetadataDone, 8, 0]]);
  });

  it("does not write the area when the flush before it has failed (S-82)", () => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === IoOp.Sync ? -5 : undefined);
    bench.job(1, [FLUSH, [IoOp.Write, 4096, 512, metadataSlotAddress(0), 1]]);
    bench.run();
    expect(bench.cow.subarray(4096, 4608).every((b) => b === 0xaa)).toBe(true);
    expect(bench.answers).toEqual([[Message.MetadataDone, 1, 5]]);
  });

  it("reports a short write as an error: it is not durable", () => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === IoOp.Write ? 100 : undefined);
    bench.job(1, [[IoOp.Write, 0, 512, metadataSlotAddress(0), 1]]);
    bench.run();
    expect(bench.answers).toEqual([[Message.MetadataDone, 1, 5]]);
  });

  it("a cancelled write is no success, also where nothing before it has failed", () => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === IoOp.Write ? -125 : undefined);
    bench.job(1, [FLUSH, [IoOp.Write, 0, 512, metadataSlotAddress(0), 1]]);
    bench.run();
    expect(bench.answers).toEqual([[Message.MetadataDone, 1, 125]]);
  });

  it("the error that broke a chain is reported, whatever the order of completions", () => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === IoOp.Sync ? -28 : undefined);
    bench.ring.reversed = true;
    bench.job(1, [FLUSH, [IoOp.Write, 4096, 512, metadataSlotAddress(0), 1], FLUSH]);
    bench.run();
    expect(bench.answers).toEqual([[Message.MetadataDone, 1, 28]]);
  });

  it("zeroes an area that is larger than the zero region, and than one batch", () => {
    const bench = new Bench(16);
    bench.job(1, [[IoOp.Write, 0, 40 * METADATA_ZERO_BYTES, -1, 0], FLUSH]);
    bench.run();
    expect(bench.answers).toEqual([[Message.MetadataDone, 1, 0]]);
    expect(bench.cow.subarray(0, 40 * METADATA_ZERO_BYTES).every((b) => b === 0)).toBe(true);
    expect(bench.cow[40 * METADATA_ZERO_BYTES]).toBe(0xaa);
    expect(bench.operations[bench.operations.length - 1].op).toBe(IoOp.Sync);
  });

  it("zeroes two chunks of a gibibyte: a length of 2^31 is not a negative one", () => {
    const bench = new Bench();
    bench.job(1, [[IoOp.Write, 0, (2 ** 31) | 0, -1, 0], FLUSH]);
    bench.run();
    // The test's device is smaller; what counts is that it is asked for its bytes.
    expect(bench.operations[0].length).toBe(METADATA_ZERO_BYTES);
    expect(bench.cow.every((b) => b === 0)).toBe(true);
    expect(bench.answers).toEqual([[Message.MetadataDone, 1, 5]]);
  });

  it("reads an area into the slots that main has named (S-60)", () => {
    const bench = new Bench();
    bench.cow.fill(7, 8192, 12288);
    bench.job(1, [[IoOp.Read, 8192, 4096, metadataSlotAddress(2), 0]]);
    bench.run();
    const at = metadataSlotAddress(2);
    expect(bench.ring.bytes.subarray(at, at + 4096).every((b) => b === 7)).toBe(true);
  });

  it("does none at once where other volumes have theirs done by it: a device that hangs would hold up all (S-53)", () => {
    const bench = new Bench();
    bench.job(1, [FLUSH, [IoOp.Write, 4096, 512, metadataSlotAddress(0), 1]], true);
    bench.run();
    expect(bench.operations.map((o) => [o.op, o.atOnce])).toEqual([
      [IoOp.Sync, false],
      [IoOp.Write, false],
    ]);
    expect(bench.answers).toEqual([[Message.MetadataDone, 1, 0]]);
  });

  it("does a job that is alone at once, and those that come together side by side (S-53, S-56)", () => {
    const bench = new Bench();
    bench.job(1, [FLUSH, [IoOp.Write, 4096, 512, metadataSlotAddress(0), 1]]);
    bench.run();
    bench.job(2, [FLUSH]);
    bench.job(3, [FLUSH]);
    bench.run();
    expect(bench.operations.map((o) => o.atOnce)).toEqual([true, true, false, false]);
    expect(bench.answers.map((a) => a[1])).toEqual([1, 2, 3]);
  });

  it("sends a long job through the ring, also when it is alone", () => {
    const bench = new Bench();
    bench.job(1, [[IoOp.Write, 0, 8 * METADATA_ZERO_BYTES, -1, 0], FLUSH]);
    bench.run();
    expect(bench.operations.some((o) => o.atOnce)).toBe(false);
  });

  it("takes more jobs than it has records, one after the other", () => {
    const bench = new Bench(64, 2);
    for (let id = 0; id < 9; id++) bench.job(id, [FLUSH]);
    bench.run();
    expect(bench.answers.map((a) => a[1])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  const at = metadataSlotAddress(3);

  it.each([
    [
      "an image before the flush of what was zeroed",
      [
        [IoOp.Write, 0, 4096, -1, 0],
        [IoOp.Write, 0, 512, at, 1],
      ],
    ],
    ["an image that is not written durably", [FLUSH, [IoOp.Write, 0, 512, at, 0]]],
    ["its zeroes are not flushed", [FLUSH, [IoOp.Write, 0, 512, at, 1], [IoOp.Write, 4096, 4096, -1, 0]]],
    ["a step of no bytes", [FLUSH, [IoOp.Write, 0, 0, at, 1]]],
    ["reaches beyond its slot", [[IoOp.Write, 0, 512, at - 256, 1]]],
    ["outside of the slots", [[IoOp.Write, 0, 512, METADATA_ZEROES, 1]]],
    ["two jobs have one image", [FLUSH, [IoOp.Write, 0, 512, at, 1], [IoOp.Write, 512, 512, at, 1]]],
    ["reads, writes and flushes", [[IoOp.Receive, 0, 512, at, 0]]],
  ] as const)("asserts of a job from main: %s (S-31, S-53, C-21)", (message, steps) => {
    const bench = new Bench();
    bench.job(1, steps);
    expect(() => bench.run()).toThrow(message);
  });

  it("takes an image's slot again when its job is done, whether that failed or not (C-21)", () => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === IoOp.Write ? -5 : undefined);
    for (let id = 1; id <= 2; id++) {
      bench.job(id, [FLUSH, [IoOp.Write, 0, 512, at, 1]]);
      bench.run();
    }
    expect(bench.answers).toEqual([
      [Message.MetadataDone, 1, 5],
      [Message.MetadataDone, 2, 5],
    ]);
  });

  it("gives the record of a job back, however it has ended", () => {
    const bench = new Bench(64, 2);
    for (let id = 0; id < 9; id++) {
      bench.ring.fault = (o) => (o.op === IoOp.Sync && id % 3 !== 2 ? -5 : undefined);
      bench.job(id, [FLUSH, [IoOp.Write, 0, 512, metadataSlotAddress(0), 1]]);
      bench.run();
    }
    expect(bench.answers.map((a) => a[2])).toEqual([5, 5, 0, 5, 5, 0, 5, 5, 0]);
  });

  it.each([0, 511, 4095])("an area of which %i bytes are read has not been read (S-60)", (bytes) => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === IoOp.Read ? bytes : undefined);
    bench.job(1, [[IoOp.Read, 8192, 4096, metadataSlotAddress(2), 0]]);
    bench.run();
    expect(bench.answers).toEqual([[Message.MetadataDone, 1, 5]]);
  });

  it("what follows a short write in a chain is not done", () => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === IoOp.Write && o.position === 0 ? 511 : undefined);
    bench.job(1, [[IoOp.Write, 0, 512, -1, 0], FLUSH, [IoOp.Write, 4096, 512, metadataSlotAddress(0), 1]]);
    bench.run();
    expect(bench.answers).toEqual([[Message.MetadataDone, 1, 5]]);
    expect(bench.cow.subarray(4096, 4608).every((b) => b === 0xaa)).toBe(true);
  });
});
