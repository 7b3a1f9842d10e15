/** What nobody may ask of the words between threads: each at the last place that is right, and at the first that is not. */
import { describe, expect, test } from "vitest";
import { GATE_COUNT } from "../../../src/base/gate-numbers.ts";
import { MAX_EXPORT_WORKERS, MAX_SNAPSHOTS } from "../../../src/base/constants.ts";
import { FILE_COUNT } from "../../../src/ring/file-table.ts";
import { Gate, type GateBlock, gateBlockWords, GatePass } from "../../../src/ring/gate.ts";
import { DESCRIPTOR_WORDS, IoOp } from "../../../src/ring/io-descriptor.ts";
import { METADATA_SLOTS, metadataSlotAddress } from "../../../src/ring/metadata-arena.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { PAGE_BYTES, Slots, SlotFit } from "../../../src/ring/slots.ts";
import { createRing, RingConsumer, RingProducer } from "../../../src/ring/spsc-ring.ts";
import { Submissions } from "../../../src/ring/submissions.ts";
import { createVolumeWords, VolumeReader } from "../../../src/ring/volume-words.ts";

const gates = (): GateBlock => ({
  words: new Int32Array(new SharedArrayBuffer(gateBlockWords(1) * 4)),
  at: 0,
  count: 1,
});
const batch = (): Submissions => new Submissions(new Int32Array(4 * DESCRIPTOR_WORDS));

describe("a place that there is not", () => {
  test("of an image slot, a gate or the list", () => {
    expect(() => metadataSlotAddress(-1)).toThrow("an image slot");
    expect(() => metadataSlotAddress(METADATA_SLOTS + 1)).toThrow("an image slot");
    const reader = new VolumeReader(createVolumeWords(), 0);
    for (const gate of [-1, GATE_COUNT]) expect(() => reader.pass(gate)).toThrow("a volume has this gate");
    for (const i of [-1, MAX_SNAPSHOTS]) expect(() => reader.listed(i)).toThrow("a place of the list");
    for (const gate of [-1, 1]) {
      expect(() => new Gate(gates(), gate)).toThrow("a gate of the block");
      expect(() => new GatePass(gates(), gate, 0)).toThrow("a gate of the block");
    }
    expect(() => new GatePass(gates(), 0, -1)).toThrow("a word for each export worker");
    expect(() => new GatePass(gates(), 0, MAX_EXPORT_WORKERS)).toThrow("a word for each export worker");
  });

  test("of a slot", () => {
    const slots = new Slots([{ bytes: PAGE_BYTES, count: 2 }], 0);
    expect(slots.address(1)).toBeGreaterThan(slots.address(0));
    expect(() => slots.address(2)).toThrow("a slot of this arena");
    expect(() => slots.give(2)).toThrow("a slot of this arena");
    expect(() => slots.address(-1)).toThrow("a slot of this arena");
  });

  test.each([
    [-1, 0, 0, 0, "a place of the file table"],
    [FILE_COUNT, 0, 0, 0, "a place of the file table"],
    [0, -1, 0, 0, "bytes of the arena"],
    [0, 0, -1, 0, "bytes of the arena"],
    [0, 0, 0, -1, "a position of a device"],
    [0, 0, 0, 0.5, "a position of a device"],
    [0, 0, 0, 2 ** 53, "a position of a device"],
  ])("of an operation: file %i, address %i, length %i, position %d", (file, address, length, position, words) => {
    expect(() => batch().push(IoOp.Read, file, 0, address, length, position, 0)).toThrow(words);
  });

  test.each([
    [-1, 0, 1, "a place of the file table"],
    [FILE_COUNT, 0, 1, "a place of the file table"],
    [0, -1, 1, "a range of a device"],
    [0, 0, 0, "a range of a device"],
    [0, 0, -1, "a range of a device"],
  ])("of an allocation: file %i, position %i, length %i", (file, position, length, words) => {
    expect(() => batch().pushAllocate(file, 0, 0, position, length)).toThrow(words);
  });

  test("and the last that there is", () => {
    const submissions = batch();
    submissions.push(IoOp.Read, FILE_COUNT - 1, 0, 0, 0, 0, 0);
    submissions.pushAllocate(FILE_COUNT - 1, 0, 0, 0, 1);
    submissions.pushAllocate(0, 0, 0, 0, 1);
    expect(submissions.count).toBe(3);
    const reader = new VolumeReader(createVolumeWords(), MAX_EXPORT_WORKERS - 1);
    expect([reader.listed(MAX_SNAPSHOTS - 1), reader.pass(GATE_COUNT - 1).enter()]).toEqual([0, true]);
  });

  test("nothing is linked, or done at once, before anything was pushed", () => {
    expect(() => batch().link()).toThrow("a descriptor has been pushed");
    expect(() => batch().atOnce()).toThrow("a descriptor has been pushed");
  });
});

describe("a gate", () => {
  test("is closed once, and opened once", () => {
    const gate = new Gate(gates(), 0);
    expect(() => gate.open()).toThrow("only a closed gate is opened");
    gate.close();
    expect(() => gate.close()).toThrow("closed by one holder");
    gate.open();
    gate.close();
  });

  test("is left by who has entered it", () => {
    const shared = gates();
    const pass = new GatePass(shared, 0, 2);
    expect(() => pass.leave()).toThrow("who leaves a gate has entered it");
    expect(() => new Gate(shared, 0).inFlight()).toThrow("no worker leaves more often");
  });
});

describe("a ring", () => {
  test("is no memory of another size, and its messages have kinds", () => {
    expect(() => new RingProducer(new SharedArrayBuffer((48 + 3 * 8) * 4))).toThrow("the memory is a ring");
    expect(() => new RingConsumer(new SharedArrayBuffer(48 * 4))).toThrow("the memory is a ring");
    const outbox = new Outbox(createRing(2), () => {});
    expect(() => outbox.send(0, 0, 1)).toThrow("a message has a kind");
    expect(() => outbox.send(-1, 0, 1)).toThrow("a message has a kind");
  });

  test("gives no message that was not put in", () => {
    const consumer = new RingConsumer(createRing(2));
    expect(() => consumer.advance()).toThrow("there is a message to be taken");
  });

  test("whose indices are not what they were is found out by either side", () => {
    const memory = createRing(2);
    const shared = new Int32Array(memory);
    const [producer, consumer] = [new RingProducer(memory), new RingConsumer(memory)];
    for (let i = 0; i < 2; i++) producer.reserve();
    shared[16] = 5;
    expect(() => producer.reserve()).toThrow("the consumer is never ahead of the producer");
    shared[0] = 3;
    expect(() => consumer.peek()).toThrow("the producer overwrites nothing that is not read");
    // A consumer that begins now has read five of three.
    expect(() => new RingConsumer(memory).peek()).toThrow("the producer takes nothing back");
  });

  test("may be as full as it is large", () => {
    const memory = createRing(2);
    const [producer, consumer] = [new RingProducer(memory), new RingConsumer(memory)];
    expect([producer.reserve(), producer.reserve(), producer.reserve()]).toEqual([48, 56, -1]);
    producer.publish();
    expect(consumer.peek()).toBe(48);
  });
});

test("a slot that is free is not given back (VERIFY)", () => {
  const slots = new Slots([{ bytes: PAGE_BYTES, count: 3 }], 0);
  const [first, second] = [slots.take(1, SlotFit.NextLarger), slots.take(1, SlotFit.NextLarger)];
  slots.give(first);
  expect(() => slots.give(first)).toThrow("a free slot was given back");
  slots.give(second);
  expect(slots.used()).toBe(0);
});
