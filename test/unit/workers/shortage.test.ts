/**
 * The machine refuses a worker what it takes for a client or a snapshot: that one fails, and the worker goes on.
 */
import { expect, it } from "vitest";
import { errno, SnapringError } from "../../../src/base/errno.ts";
import { COPY_ARENA_BYTES, COPY_SEGMENTS, COPY_SLOTS_AT } from "../../../src/ring/copy-arena.ts";
import { createCounters } from "../../../src/ring/counters.ts";
import { CloseCause, Message } from "../../../src/ring/messages.ts";
import { METADATA_ARENA_BYTES, METADATA_ZERO_BYTES, METADATA_ZEROES } from "../../../src/ring/metadata-arena.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../../src/ring/spsc-ring.ts";
import { SegmentShares } from "../../../workers/copy/segment-shares.ts";
import { CopyLoop } from "../../../workers/copy/copy-loop.ts";
import type { WorkerLoop } from "../../../workers/drive.ts";
import { MetadataLoop } from "../../../workers/metadata/metadata-loop.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { FakeRing } from "../../support/fake-ring.ts";
import { sendWords } from "../../support/raw-message.ts";

const SHORTAGES = ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EAGAIN", "EBADF"] as const;

it.each(SHORTAGES)("%s: the client is refused, the others and the next one are served", (name) => {
  // The export worker died of it, and the volume with it.
  const bench = new ExportBench();
  const before = bench.connect();
  bench.ring.refuses = () => errno[name];
  bench.send(Message.Adopt, 77, 5);
  bench.run();
  expect(bench.take(Message.ConnectionClosed).map((message) => message.slice(1, 3))).toEqual([
    [77, CloseCause.Shortage],
  ]);
  bench.ring.refuses = () => 0;
  const next = bench.connect();
  const reads = [before, next].map((client) => [client, client.read(0, 512)] as const);
  bench.run();
  for (const [client, cookie] of reads) expect(client.errors()).toEqual({ [cookie]: 0 });
});

it("export: a snapshot whose device is refused is not there; it can be introduced again", () => {
  const bench = new ExportBench();
  bench.ring.refuses = () => errno.EMFILE;
  bench.addSnapshot(0);
  expect(bench.take(Message.ControlTaken).map((message) => message[3])).toEqual([errno.EMFILE]);
  expect(bench.served.snapshots).toEqual([]);
  bench.ring.refuses = () => 0;
  bench.control({ kind: "forget", volume: 0, index: 0, name: "s0" });
  const snapshot = bench.addSnapshot(0);
  bench.publish(snapshot, 0, 5, true, 7);
  const client = bench.connect("s0");
  const cookie = client.read(0, 512);
  bench.run();
  expect(client.errors()).toEqual({ [cookie]: 0 });
  expect(bench.take(Message.ControlTaken).map((message) => message[3])).toEqual([0, 0]);
});

type Control = () => void;

function metadata(ring: FakeRing, inbox: RingConsumer, outbox: Outbox, control: Control): WorkerLoop {
  const zeroes = { zeroAddress: METADATA_ZEROES, zeroBytes: METADATA_ZERO_BYTES };
  const counters = new Float64Array(createCounters());
  return new MetadataLoop({ ring, inbox, outbox, control, counters, wakeAddress: 0, jobs: 4, ...zeroes });
}

function copies(ring: FakeRing, inbox: RingConsumer, outbox: Outbox, control: Control): WorkerLoop {
  const slots = { slots: COPY_SLOTS_AT, segments: COPY_SEGMENTS, shares: new SegmentShares(COPY_SEGMENTS) };
  const counters = new Float64Array(createCounters());
  return new CopyLoop({ ring, inbox, outbox, control, counters, wakeAddress: 0, ...slots });
}

it.each([
  ["copy", COPY_ARENA_BYTES, copies],
  ["metadata", METADATA_ARENA_BYTES, metadata],
] as const)("%s: main is told that the device was refused; a defect is still one", (_, arenaBytes, make) => {
  const toWorker = createRing(64);
  const main = new Outbox(toWorker, () => {});
  const toMain = createRing(64);
  const heard = new RingConsumer(toMain);
  const refusals: (Error | undefined)[] = [new SnapringError("ENFILE", "full"), undefined, new TypeError("a defect")];
  const loop = make(new FakeRing(arenaBytes, 64), new RingConsumer(toWorker), new Outbox(toMain, () => {}), () => {
    const refusal = refusals.shift();
    if (refusal !== undefined) throw refusal;
  });
  for (const sequence of [4, 5]) sendWords(main, Message.Control, 0, sequence);
  main.flush();
  loop.step(0);
  for (const [sequence, error] of [
    [4, errno.ENFILE],
    [5, 0],
  ]) {
    const at = heard.peek();
    expect([...heard.words.subarray(at, at + 4)]).toEqual([Message.ControlTaken, 0, sequence, error]);
    heard.advance();
  }
  sendWords(main, Message.Control, 0, 6);
  main.flush();
  expect(() => loop.step(0)).toThrow("a defect");
});

it("what a client writes beside the refusals is written", () => {
  const bench = new ExportBench();
  const client = bench.connect();
  bench.ring.refuses = () => errno.EMFILE;
  const data = dataPattern(4096, 3);
  const cookie = client.write(8192, data);
  bench.send(Message.Adopt, 78, 6);
  bench.run();
  expect(client.errors()).toEqual({ [cookie]: 0 });
  expect(Buffer.compare(bench.origin.subarray(8192, 8192 + 4096), data)).toBe(0);
});
