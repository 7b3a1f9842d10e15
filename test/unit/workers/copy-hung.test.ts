/**
 * Copies to a COW device that does not answer. Found was that a copy for two devices was answered when both had it, and that copies
 * to one that hung took every segment, so that no other was begun.
 */
import { expect, test } from "vitest";
import { COPY_ARENA_BYTES, COPY_SEGMENTS, COPY_SLOTS_AT, SEGMENT_BYTES } from "../../../src/ring/copy-arena.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { CopyLoop } from "../../../workers/copy/copy-loop.ts";
import { SegmentShares } from "../../../workers/copy/segment-shares.ts";
import { FakeRing } from "../../support/fake-ring.ts";
import { sendWords } from "../../support/raw-message.ts";
import { TurnedLoop } from "../../support/turned-loop.ts";
import { cowComes, ORIGIN_FILE } from "../../support/device-numbers.ts";

const DEVICES = 3;
const CHUNK = 4096;
/** More than there are segments. */
const MANY = 2 * COPY_SEGMENTS;
const SIZE = MANY * CHUNK;

class Bench extends TurnedLoop<CopyLoop> {
  /** COW devices, from 1, whose writes do not end. */
  readonly hung = new Set<number>();
  #next = 0;

  constructor() {
    const shares = new SegmentShares(COPY_SEGMENTS);
    const place = { wakeAddress: 0, slots: COPY_SLOTS_AT, segments: COPY_SEGMENTS, shares };
    super(new FakeRing(COPY_ARENA_BYTES), 6, (ends) => new CopyLoop({ ...ends, ...place }));
    this.ring.files.set(
      ORIGIN_FILE,
      Uint8Array.from({ length: SIZE }, (_, i) => (i * 7 + (i >> 8)) & 255),
    );
    for (let file = 1; file <= DEVICES; file++) {
      shares.filesChanged(cowComes(ORIGIN_FILE + file));
      this.ring.files.set(ORIGIN_FILE + file, new Uint8Array(SIZE));
    }
    this.ring.held = ({ op, file }) => op === IoOp.Write && this.hung.has(file - ORIGIN_FILE);
  }

  /** The next chunk, to all of these devices; its number. */
  copy(...devices: readonly number[]): number {
    return this.copyOf(this.#next * CHUNK, CHUNK, devices);
  }

  copyOf(position: number, bytes: number, devices: readonly number[]): number {
    const id = this.#next++;
    sendWords(this.main, Message.CopyRead, id, ORIGIN_FILE, position, 0, bytes, devices.length);
    for (const file of devices) sendWords(this.main, Message.CopyWrite, id, ORIGIN_FILE + file, position, 0, bytes, 0);
    this.main.flush();
    return id;
  }

  /** What has been answered since the last time: job and ended targets. */
  told(): (readonly [id: number, ended: number])[] {
    this.run();
    return this.answers.splice(0).map(([, id, ended]) => [id!, ended!]);
  }

  /** So many ticks of the clock. */
  pass(ticks: number): void {
    for (let i = 0; i < ticks; i++) {
      this.run();
      this.ring.passTime();
    }
    this.run();
  }

  has(file: number, id: number): boolean {
    const [from, to] = [id * CHUNK, (id + 1) * CHUNK];
    const bytes = (index: number): Uint8Array => this.ring.files.get(ORIGIN_FILE + index)!.subarray(from, to);
    return Buffer.compare(bytes(file), bytes(0)) === 0;
  }
}

test("devices that end one soon after the other are told together, in one message", () => {
  const bench = new Bench();
  bench.hung.add(1);
  const id = bench.copy(1, 2);
  expect(bench.told()).toEqual([]);
  bench.pass(1);
  bench.hung.clear();
  expect(bench.told()).toEqual([[id, 0b11]]);
});

test("a target that has ended is told while another one hangs; that one when it ends, with its own error (E-18)", () => {
  const bench = new Bench();
  bench.hung.add(1);
  const id = bench.copy(1, 2);
  bench.pass(2);
  expect(bench.told()).toEqual([[id, 0b10]]);
  expect(bench.has(2, id)).toBe(true);
  bench.hung.clear();
  bench.ring.fault = ({ op }) => (op === IoOp.Write ? -28 : undefined);
  bench.run();
  expect(bench.answers).toEqual([[Message.Copied, id, 0b01, 0, 0b01, 28]]);
});

test("once a device is known to hang, nobody waits to be told with it; when it answers, they do again", () => {
  const bench = new Bench();
  bench.hung.add(1);
  bench.copy(1);
  const first = bench.copy(1, 2);
  bench.pass(2);
  expect(bench.told()).toEqual([[first, 0b10]]);
  const second = bench.copy(1, 3);
  expect(bench.told()).toEqual([[second, 0b10]]);
  bench.hung.clear();
  bench.pass(1);
  bench.told();
  expect(bench.ring.underWay(IoOp.Timeout)).toBe(0);
  bench.hung.add(1);
  bench.copy(1, 2);
  expect(bench.told()).toEqual([]);
});

test("no clock runs as long as devices answer", () => {
  const bench = new Bench();
  for (let i = 0; i < 50; i++) bench.copy(1, 2, 3);
  expect(bench.told()).toHaveLength(50);
  expect(bench.ring.log.some(({ op }) => op === IoOp.Timeout)).toBe(false);
});

test("the memory of a copy is not used again before its last target has ended", () => {
  const bench = new Bench();
  bench.hung.add(1);
  const id = bench.copy(1, 2);
  bench.pass(2);
  for (let i = 0; i < MANY; i++) bench.copy(2);
  expect(bench.told()).toHaveLength(1 + MANY);
  bench.hung.clear();
  bench.run();
  expect(bench.has(1, id)).toBe(true);
});

test("copies to a device that hangs leave segments for the others", () => {
  const bench = new Bench();
  bench.hung.add(1);
  for (let i = 0; i < MANY; i++) bench.copy(1);
  bench.run();
  expect(bench.ring.underWay(IoOp.Write)).toBeLessThan(COPY_SEGMENTS);
  const others = Array.from({ length: 50 }, (_, i) => bench.copy(2 + (i % 2)));
  expect(
    bench
      .told()
      .map(([id]) => id)
      .sort((a, b) => a - b),
  ).toEqual(others);
  bench.hung.clear();
  expect(bench.told()).toHaveLength(MANY);
});

test("all devices but one hang, each with as much as it can have: the one goes on", () => {
  const bench = new Bench();
  for (const file of [1, 2]) bench.hung.add(file);
  for (let i = 0; i < MANY / 2; i++) bench.copy(1, 2);
  for (let i = 0; i < MANY / 2; i++) bench.copy(1 + (i % 2));
  bench.pass(3);
  const id = bench.copy(3);
  expect(bench.told()).toEqual([[id, 1]]);
});

test("copies for several devices are taken apart where one that hangs holds what is common, each device reads for itself", () => {
  const bench = new Bench();
  bench.hung.add(1);
  for (let i = 0; i < MANY / 2; i++) bench.copy(1);
  bench.run();
  const id = bench.copy(2, 3);
  expect(bench.told()).toEqual([]);
  bench.pass(2);
  expect(bench.told()).toEqual([[id, 0b11]]);
  // It is known by now.
  const next = bench.copy(1, 2);
  const last = bench.copy(2, 3);
  expect(bench.told()).toEqual([
    [next, 0b10],
    [last, 0b11],
  ]);
  bench.hung.clear();
  bench.pass(2);
  expect(bench.told()).toHaveLength(1 + MANY / 2);
  for (const file of [1, 2]) expect(bench.has(file, next)).toBe(true);
  // Together again: one read for both.
  const reads = bench.ring.log.filter(({ op }) => op === IoOp.Read).length;
  bench.copy(2, 3);
  bench.run();
  expect(bench.ring.log.filter(({ op }) => op === IoOp.Read).length).toBe(reads + 1);
});

test("a long copy that is taken apart in its middle has every byte of every target", () => {
  const bench = new Bench();
  bench.hung.add(1);
  const size = 3 * SEGMENT_BYTES;
  for (let i = 0; i < 95; i++) bench.copy(1);
  const id = bench.copyOf(0, size, [2, 3]);
  bench.run();
  bench.copy(1);
  bench.copy(1);
  bench.pass(3);
  expect(bench.answers.map(([, job]) => job)).toEqual([id]);
  for (const file of [2, 3]) {
    expect(
      Buffer.compare(
        bench.ring.files.get(ORIGIN_FILE + file)!.subarray(0, size),
        bench.ring.files.get(ORIGIN_FILE)!.subarray(0, size),
      ),
    ).toBe(0);
  }
});

test("a merge's copies from a device that hangs leave segments for the others", () => {
  const bench = new Bench();
  bench.ring.held = ({ op, file }) => op === IoOp.Read && file === ORIGIN_FILE + 1;
  for (let i = 0; i < MANY; i++) {
    sendWords(bench.main, Message.CopyRead, 1000 + i, ORIGIN_FILE + 1, 0, 0, CHUNK, 1, 1);
    sendWords(bench.main, Message.CopyWrite, 1000 + i, ORIGIN_FILE, i * CHUNK, 0, CHUNK, 0);
  }
  bench.main.flush();
  bench.run();
  const id = bench.copy(2);
  expect(bench.told()).toEqual([[id, 1]]);
});

test("a volume that has failed: targets that have ended are told, and copies that wait are not begun", () => {
  const bench = new Bench();
  bench.hung.add(1);
  for (let i = 0; i < MANY; i++) bench.copy(1);
  bench.run();
  sendWords(bench.main, Message.Stop, 0, StopHow.Abandon);
  bench.main.flush();
  bench.run();
  expect(bench.loop.ended).toBe(false);
  bench.hung.clear();
  bench.run();
  expect(bench.loop.ended).toBe(true);
});
