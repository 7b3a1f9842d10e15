import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { COPY_ARENA_BYTES, COPY_SEGMENTS, COPY_SLOTS_AT, SEGMENT_BYTES } from "../../../src/ring/copy-arena.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { CopyLoop } from "../../../workers/copy/copy-loop.ts";
import { SegmentShares } from "../../../workers/copy/segment-shares.ts";
import { FakeRing } from "../../support/fake-ring.ts";
import { sendWords } from "../../support/raw-message.ts";
import { TurnedLoop } from "../../support/turned-loop.ts";
import { WAKE_FILE } from "../../../src/ring/file-table.ts";
import { cowComes, cowFile, ORIGIN_FILE } from "../../support/device-numbers.ts";

interface Target {
  readonly file: number;
  readonly position: number;
  readonly length: number;
  readonly offset: number;
}

/** A copy worker on one thread, with an origin and two COW devices. */
class Bench extends TurnedLoop<CopyLoop> {
  constructor(size = 4 * SEGMENT_BYTES) {
    const shares = new SegmentShares(COPY_SEGMENTS);
    for (const snapshot of [0, 1]) shares.filesChanged(cowComes(cowFile(snapshot)));
    const place = { wakeAddress: 0, slots: COPY_SLOTS_AT, segments: COPY_SEGMENTS };
    super(new FakeRing(COPY_ARENA_BYTES), 6, (ends) => new CopyLoop({ ...ends, ...place, shares }));
    const origin = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 255);
    this.ring.files.set(ORIGIN_FILE, origin);
    for (const snapshot of [0, 1]) this.ring.files.set(cowFile(snapshot), new Uint8Array(size));
  }

  copy(id: number, position: number, bytes: number, targets: readonly Target[]): void {
    sendWords(this.main, Message.CopyRead, id, ORIGIN_FILE, position, 0, bytes, targets.length);
    for (const t of targets) sendWords(this.main, Message.CopyWrite, id, t.file, t.position, 0, t.length, t.offset);
    this.main.flush();
  }

  file(index: number): Uint8Array {
    return this.ring.files.get(index) as Uint8Array;
  }
}

describe("copy worker", () => {
  it("copies a range of the origin to a COW device", () => {
    const bench = new Bench();
    bench.copy(5, 4096, 16384, [{ file: cowFile(0), position: 32768, length: 16384, offset: 0 }]);
    bench.run();
    expect(bench.answers).toEqual([[Message.Copied, 5, 1, 0, 0, 0]]);
    expect(bench.file(cowFile(0)).subarray(32768, 49152)).toEqual(bench.file(ORIGIN_FILE).subarray(4096, 20480));
  });

  it("reads once what two snapshots of different chunk sizes need (E-18)", () => {
    const bench = new Bench();
    bench.copy(1, 0, 16384, [
      { file: cowFile(0), position: 0, length: 16384, offset: 0 },
      { file: cowFile(1), position: 8192, length: 4096, offset: 12288 },
    ]);
    bench.run();
    expect(bench.ring.log.filter((o) => o.op === IoOp.Read)).toHaveLength(1);
    expect(bench.file(cowFile(1)).subarray(8192, 12288)).toEqual(bench.file(ORIGIN_FILE).subarray(12288, 16384));
  });

  it("fails a job whose read fails, and writes nothing of it (S-50)", () => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === IoOp.Read ? -5 : undefined);
    bench.copy(1, 0, 4096, [{ file: cowFile(0), position: 0, length: 4096, offset: 0 }]);
    bench.run();
    expect(bench.answers).toEqual([[Message.Copied, 1, 1, 5, 0, 0]]);
    expect(bench.ring.log.some((o) => o.op === IoOp.Write)).toBe(false);
  });

  it("names the target whose write has failed, and finishes the others (E-18)", () => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === IoOp.Write && o.file === cowFile(0) ? -28 : undefined);
    bench.copy(9, 0, 4096, [
      { file: cowFile(1), position: 0, length: 4096, offset: 0 },
      { file: cowFile(0), position: 0, length: 4096, offset: 0 },
    ]);
    bench.run();
    expect(bench.answers).toEqual([[Message.Copied, 9, 0b11, 0, 0b10, 28]]);
    expect(bench.file(cowFile(1)).subarray(0, 4096)).toEqual(bench.file(ORIGIN_FILE).subarray(0, 4096));
  });

  it("goes on after short reads and short writes", () => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.length > 512 ? 512 : undefined);
    bench.copy(1, 0, 8192, [{ file: cowFile(0), position: 0, length: 8192, offset: 0 }]);
    bench.run();
    expect(bench.answers).toEqual([[Message.Copied, 1, 1, 0, 0, 0]]);
    expect(bench.file(cowFile(0)).subarray(0, 8192)).toEqual(bench.file(ORIGIN_FILE).subarray(0, 8192));
  });

  it("answers a job that is longer than all its slots only when the whole of it is copied", () => {
    const size = (COPY_SEGMENTS + 3) * SEGMENT_BYTES;
    const bench = new Bench(size);
    bench.copy(1, 0, size, [{ file: cowFile(0), position: 0, length: size, offset: 0 }]);
    bench.run();
    expect(bench.answers).toEqual([[Message.Copied, 1, 1, 0, 0, 0]]);
    expect(Buffer.compare(bench.file(cowFile(0)), bench.file(ORIGIN_FILE))).toBe(0);
  });

  it("ends only when every copy is over", () => {
    const bench = new Bench();
    bench.copy(1, 0, 4096, [{ file: cowFile(0), position: 0, length: 4096, offset: 0 }]);
    sendWords(bench.main, Message.Stop, 0);
    bench.main.flush();
    bench.run();
    expect(bench.answers.map((a) => a[0])).toEqual([Message.Copied, Message.Stopped]);
    expect(bench.loop.ended).toBe(true);
  });

  it("copies any jobs like a plain model, in any order of completions", () => {
    const job = fc.record({ from: fc.nat(200), sectors: fc.integer({ min: 1, max: 300 }), to: fc.nat(200) });
    fc.assert(
      fc.property(fc.array(job, { minLength: 1, maxLength: 20 }), fc.boolean(), (jobs, reversed) => {
        const bench = new Bench();
        bench.ring.reversed = reversed;
        const model = new Uint8Array(bench.file(cowFile(0)).length);
        jobs.forEach(({ from, sectors, to }, i) => {
          bench.copy(i, from * 512, sectors * 512, [
            { file: cowFile(0), position: to * 512, length: sectors * 512, offset: 0 },
          ]);
          // Jobs whose targets overlap have no order among themselves: one at a time.
          bench.run();
          model.set(bench.file(ORIGIN_FILE).subarray(from * 512, (from + sectors) * 512), to * 512);
        });
        expect(bench.answers.length).toBe(jobs.length);
        expect(Buffer.compare(bench.file(cowFile(0)), model)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});

it("a volume that has failed: copies that wait are not begun, and the worker ends", () => {
  const bench = new Bench();
  for (let i = 0; i < 200; i++) bench.copy(i, 0, 512, [{ file: cowFile(0), position: 0, length: 512, offset: 0 }]);
  sendWords(bench.main, Message.Stop, 0, StopHow.Abandon);
  bench.main.flush();
  bench.run();
  expect(bench.loop.ended).toBe(true);
  expect(bench.answers.filter(([kind]) => kind === Message.Copied).length).toBeLessThan(200);
});

describe("what a copy is checked for", () => {
  const target = { file: cowFile(0), position: 0, length: 4096, offset: 0 };

  it.each([
    ["a part of a sector", [0, 4000], [target], "inside of a sector"],
    ["bytes that are not read", [0, 4096], [{ ...target, offset: 512 }], "what is not read"],
    ["a wake-up's file", [0, 4096], [{ ...target, file: WAKE_FILE }], "what is no device"],
    ["nowhere", [0, 4096], [], "to nowhere"],
  ] as const)("asserts that no copy is of, or to, %s", (_, [position, bytes], targets, message) => {
    const bench = new Bench();
    bench.copy(1, position, bytes, targets);
    expect(() => bench.run()).toThrow(message);
  });

  it("asserts that a target follows its own copy", () => {
    const bench = new Bench();
    sendWords(bench.main, Message.CopyRead, 1, ORIGIN_FILE, 0, 0, 4096, 1);
    sendWords(bench.main, Message.CopyWrite, 2, cowFile(0), 0, 0, 4096, 0);
    bench.main.flush();
    expect(() => bench.run()).toThrow("did not come before it");
  });

  it("asserts that a device moves no more than it is asked for", () => {
    const bench = new Bench();
    bench.copy(1, 0, 4096, [target]);
    bench.loop.step(0);
    const user = bench.ring.submissions[2];
    bench.ring.completions.set([user, 4097]);
    expect(() => bench.loop.step(1)).toThrow("than was asked for");
  });
});

describe("copies that fail, one after the other, more of them than there are segments", () => {
  it.each([
    ["read", IoOp.Read, -5, [5, 0, 0]],
    ["read that gives nothing", IoOp.Read, 0, [5, 0, 0]],
    ["write", IoOp.Write, -28, [0, 1, 28]],
    ["write that takes nothing", IoOp.Write, 0, [0, 1, 5]],
  ])("at the %s", (_, op, result, expected) => {
    const bench = new Bench();
    bench.ring.fault = (o) => (o.op === op ? result : undefined);
    for (let id = 0; id < COPY_SEGMENTS + 2; id++) {
      bench.copy(id, 0, 512, [{ file: cowFile(0), position: 0, length: 512, offset: 0 }]);
      bench.run();
    }
    bench.ring.fault = () => undefined;
    bench.copy(999, 0, 512, [{ file: cowFile(0), position: 0, length: 512, offset: 0 }]);
    bench.run();
    expect(bench.answers.at(-2)).toEqual([Message.Copied, COPY_SEGMENTS + 1, 1, ...expected]);
    expect(bench.answers.at(-1)).toEqual([Message.Copied, 999, 1, 0, 0, 0]);
    expect(bench.answers).toHaveLength(COPY_SEGMENTS + 3);
  });
});

it("every target that has failed is named, in any order of completions", () => {
  for (const reversed of [false, true]) {
    const bench = new Bench();
    bench.ring.reversed = reversed;
    bench.ring.fault = (o) => (o.op === IoOp.Write && o.position !== 512 ? -5 : undefined);
    bench.copy(1, 0, 512, [
      { file: cowFile(0), position: 0, length: 512, offset: 0 },
      { file: cowFile(1), position: 512, length: 512, offset: 0 },
      { file: cowFile(1), position: 0, length: 512, offset: 0 },
    ]);
    bench.run();
    expect(bench.answers).toEqual([[Message.Copied, 1, 0b111, 0, 0b101, 5]]);
  }
});

it("a target whose write fails in the middle of a long copy has failed as a whole", () => {
  const size = 3 * SEGMENT_BYTES;
  const bench = new Bench();
  bench.ring.fault = (o) => (o.op === IoOp.Write && o.position === SEGMENT_BYTES ? -5 : undefined);
  bench.copy(1, 0, size, [{ file: cowFile(0), position: 0, length: size, offset: 0 }]);
  bench.run();
  expect(bench.answers).toEqual([[Message.Copied, 1, 1, 0, 1, 5]]);
});

it("a record of a copy that failed serves another one, which has not", () => {
  const bench = new Bench();
  bench.ring.fault = (o) => (o.op === IoOp.Write && o.file === cowFile(0) ? -28 : undefined);
  bench.copy(1, 0, 512, [{ file: cowFile(0), position: 0, length: 512, offset: 0 }]);
  bench.run();
  bench.copy(2, 0, 512, [{ file: cowFile(1), position: 0, length: 512, offset: 0 }]);
  bench.run();
  bench.ring.fault = (o) => (o.op === IoOp.Read ? -5 : undefined);
  bench.copy(3, 0, 512, [{ file: cowFile(1), position: 0, length: 512, offset: 0 }]);
  bench.run();
  bench.ring.fault = () => undefined;
  bench.copy(4, 0, 512, [{ file: cowFile(1), position: 0, length: 512, offset: 0 }]);
  bench.run();
  expect(bench.answers.map((answer) => answer.slice(1))).toEqual([
    [1, 1, 0, 1, 28],
    [2, 1, 0, 0, 0],
    [3, 1, 5, 0, 0],
    [4, 1, 0, 0, 0],
  ]);
});
