import { expect, it } from "vitest";
import type { MetadataJob } from "../../../src/core/ports.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import { MetadataSender } from "../../../src/engine/metadata-sender.ts";
import { kindOf, tokenOf, volumeOf } from "../../../src/ring/message-field.ts";
import { Message } from "../../../src/ring/messages.ts";
import { MetadataBegin } from "../../../src/ring/to-workers.ts";
import { METADATA_ARENA_BYTES, METADATA_SLOT_BYTES, METADATA_SLOTS } from "../../../src/ring/metadata-arena.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../../src/ring/spsc-ring.ts";

const MIB = 2 ** 20;

class Bench {
  readonly arena = new SharedArrayBuffer(METADATA_ARENA_BYTES);
  readonly sender: MetadataSender;
  readonly done: [number, number][] = [];
  /** Other volumes have their stores written by the same worker. */
  shared = false;
  /** Of the last answer. */
  bytes: Uint8Array | undefined;
  readonly #outbox: Outbox;
  readonly #inbox: RingConsumer;

  constructor() {
    const ring = createRing(4096);
    this.#outbox = new Outbox(ring, () => {});
    this.#inbox = new RingConsumer(ring);
    const channel = { arena: this.arena, outbox: this.#outbox } as unknown as Channel;
    this.sender = new MetadataSender(channel, () => this.shared);
  }

  send(job: MetadataJob, volume = 0): void {
    this.sender.send(
      {
        volume,
        fileOf: (device) => device,
        metadataDone: (done, error, bytes) => {
          this.done.push([done.snapshot, error]);
          this.bytes = bytes;
        },
      },
      job,
    );
  }

  /** [volume, snapshot, id] of the jobs that were sent since the last call. */
  begun(): number[][] {
    const messages = this.sent().map((message) => Int32Array.from(message));
    const jobs = messages.filter((words) => kindOf(words, 0) === Message.MetadataBegin);
    return jobs.map((words) => [volumeOf(words, 0), MetadataBegin.file.get(words, 0) - 1, tokenOf(words, 0)]);
  }

  /** What was sent: [kind, words 1 … 7]. */
  sent(): number[][] {
    this.#outbox.flush();
    const found: number[][] = [];
    for (let at = this.#inbox.peek(); at >= 0; at = this.#inbox.peek()) {
      found.push([...this.#inbox.words.subarray(at, at + 8)]);
      this.#inbox.advance();
    }
    return found;
  }
}

function commit(snapshot: number, bytes: Uint8Array): MetadataJob {
  return { kind: "commit", snapshot, zeroArea: -1, zeroPosition: 0, zeroBytes: 0, position: 4096, bytes };
}

it("takes an area that is larger than the arena, for most of it is zero", () => {
  // A chunk, and so an area, may have a gibibyte; rewriting one of more than 32 MiB was an assertion in main.
  const bench = new Bench();
  const area = new Uint8Array(64 * MIB);
  area[5] = 1;
  area[64 * MIB - 1] = 2;
  bench.send(commit(0, area));
  const steps = bench.sent().filter(([kind]) => kind === Message.MetadataStep);
  expect(steps).toHaveLength(1 + (64 * MIB) / METADATA_SLOT_BYTES);
  const withBytes = steps.filter((step) => step[6] > 0);
  expect(withBytes.map((step) => step[3])).toEqual([4096, 4096 + 64 * MIB - METADATA_SLOT_BYTES]);
  const memory = new Uint8Array(bench.arena);
  expect([memory[withBytes[0][6] + 5], memory[withBytes[1][6] + METADATA_SLOT_BYTES - 1]]).toEqual([1, 2]);
});

it("reads an area that is larger than the arena, part by part (S-60)", () => {
  const bench = new Bench();
  const memory = new Uint8Array(bench.arena);
  bench.send({ kind: "readArea", snapshot: 3, position: 4096, length: 64 * MIB });
  let read = 0;
  for (let sent = bench.sent(); sent.length > 0; sent = bench.sent()) {
    const [job, ...steps] = sent;
    expect(job[3]).toBe(steps.length);
    for (const [, , , position, , bytes, address] of steps) {
      if (position !== 4096 + read) expect.fail(`a read at byte ${position}`);
      memory.fill(1 + ((read / METADATA_SLOT_BYTES) % 251), address, address + bytes);
      read += bytes;
    }
    // Another store's commits find slots meanwhile.
    bench.send(commit(0, new Uint8Array(8 * MIB).fill(9)));
    for (const [kind, id] of bench.sent()) if (kind === Message.MetadataBegin) bench.sender.done(id, 0);
    bench.sender.done(job[1], 0);
  }
  expect(read).toBe(64 * MIB);
  expect(bench.done.at(-1)).toEqual([3, 0]);
  const area = bench.bytes as Uint8Array;
  expect(area.length).toBe(64 * MIB);
  for (let at = 0; at < area.length; at += METADATA_SLOT_BYTES) {
    const byte = 1 + ((at / METADATA_SLOT_BYTES) % 251);
    if (area[at] !== byte || area[at + METADATA_SLOT_BYTES - 1] !== byte) expect.fail(`at byte ${at}`);
  }
});

it("a part of an area that cannot be read ends the job, and gives its slots back", () => {
  const bench = new Bench();
  for (let round = 0; round < 3; round++) {
    bench.send({ kind: "readArea", snapshot: 1, position: 0, length: 64 * MIB });
    const [first] = bench.sent();
    bench.sender.done(first[1], 0);
    const [second] = bench.sent();
    bench.sender.done(second[1], 5);
    expect(bench.done).toHaveLength(round + 1);
    expect(bench.done.at(-1)).toEqual([1, 5]);
    expect(bench.bytes).toBeUndefined();
  }
});

it("jobs that find no slots wait in order, with the bytes that they had when they were sent (C-21)", () => {
  const bench = new Bench();
  const half = new Uint8Array((METADATA_SLOTS / 2) * METADATA_SLOT_BYTES).fill(1);
  bench.send(commit(0, half));
  bench.send(commit(1, half));
  const small = new Uint8Array(512).fill(3);
  bench.send(commit(2, small));
  bench.send({ kind: "flush", snapshot: 3, device: 0 });
  small.fill(9);
  const jobs = bench.sent().filter(([kind]) => kind === Message.MetadataBegin);
  expect(jobs.map((job) => job[2])).toEqual([1, 2]);
  bench.sender.done(jobs[0][1], 0);
  const next = bench.sent();
  expect(next.filter(([kind]) => kind === Message.MetadataBegin).map((job) => job[2])).toEqual([3, 0]);
  const write = next.find((step) => step[0] === Message.MetadataStep && step[6] > 0) as number[];
  expect(new Uint8Array(bench.arena)[write[6]]).toBe(3);
  for (const [, id] of [jobs[1], ...next.filter(([kind]) => kind === Message.MetadataBegin)]) bench.sender.done(id, 5);
  expect(bench.done).toEqual([
    [0, 0],
    [1, 5],
    [2, 5],
    [3, 5],
  ]);
});

it("slots of a job that has failed are free again, as those of one that has not", () => {
  const bench = new Bench();
  const bytes = new Uint8Array(METADATA_SLOT_BYTES).fill(7);
  for (let i = 0; i < METADATA_SLOTS + 3; i++) {
    bench.send(commit(i, bytes));
    const [job] = bench.sent().filter(([kind]) => kind === Message.MetadataBegin);
    bench.sender.done(job![1]!, 5);
  }
  expect(bench.done).toHaveLength(METADATA_SLOTS + 3);
  expect(bench.done.every(([, error]) => error === 5)).toBe(true);
});

it("says with each job whether other volumes have theirs done by the worker, as it is then", () => {
  const bench = new Bench();
  for (const shared of [false, true, false]) {
    bench.shared = shared;
    bench.send(commit(0, new Uint8Array(4096)));
  }
  const begun = bench.sent().filter(([kind]) => kind === Message.MetadataBegin);
  expect(begun.map((words) => words[4])).toEqual([0, 1, 0]);
});

it("one volume of several has half of the slots at most, or one job: what it waits for is not the others'", () => {
  const bench = new Bench();
  bench.shared = true;
  const slots = (count: number): Uint8Array => new Uint8Array(count * METADATA_SLOT_BYTES).fill(1);
  const quarter = METADATA_SLOTS / 4;
  for (const snapshot of [0, 1, 2]) bench.send(commit(snapshot, slots(quarter)), 5);
  // Behind those of its volume, also one that needs no slots.
  bench.send({ kind: "flush", snapshot: 3, device: 4 }, 5);
  for (const snapshot of [0, 1, 2]) bench.send(commit(snapshot, slots(quarter)), 6);
  bench.send(commit(0, slots(1)), 7);
  const first = bench.begun();
  expect(first.map((job) => job.slice(0, 2))).toEqual([
    [5, 0],
    [5, 1],
    [6, 0],
    [6, 1],
  ]);
  bench.sender.done(first[3][2], 0);
  expect(bench.begun().map((job) => job.slice(0, 2))).toEqual([[6, 2]]);
  bench.sender.done(first[0][2], 0);
  const next = bench.begun();
  expect(next.map((job) => job.slice(0, 2))).toEqual([
    [5, 2],
    [5, 3],
  ]);
});

it("a volume that is alone has all slots, and a job that is larger than a share goes where nothing of its volume does", () => {
  const bench = new Bench();
  const most = new Uint8Array((3 * METADATA_SLOTS * METADATA_SLOT_BYTES) / 4).fill(1);
  const some = new Uint8Array((METADATA_SLOTS * METADATA_SLOT_BYTES) / 4).fill(1);
  bench.send(commit(0, most), 1);
  bench.send(commit(1, some), 1);
  const alone = bench.begun();
  expect(alone).toHaveLength(2);
  for (const [, , id] of alone) bench.sender.done(id, 0);
  bench.shared = true;
  bench.send(commit(0, most), 1);
  bench.send(commit(1, some), 1);
  const [large, ...none] = bench.begun();
  expect([large[1], none]).toEqual([0, []]);
  bench.sender.done(large[2], 5);
  expect(bench.begun().map((job) => job[1])).toEqual([1]);
});
