import { describe, expect, it } from "vitest";
import {
  flag,
  highHalf,
  kindOf,
  lowHalf,
  message,
  pair,
  tokenOf,
  unsigned,
  volumeOf,
  word,
} from "../../../src/ring/message-field.ts";
import { MAX_VOLUMES } from "../../../src/base/constants.ts";
import { Message } from "../../../src/ring/messages.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../../src/ring/spsc-ring.ts";
import { MetadataStep, Reserved } from "../../../src/ring/to-workers.ts";

const AT = 8;

function words(): Int32Array {
  return new Int32Array(24).fill(-7);
}

describe("a field of a message", () => {
  it("gets what was set, in its own words and nowhere else", () => {
    const fields = [
      [word(2), -5],
      [word(7), 2 ** 31 - 1],
      [unsigned(5), 2 ** 31],
      [pair(3), 2 ** 40 + 2 ** 31 + 3],
      [pair(6), Number.MAX_SAFE_INTEGER],
    ] as const;
    for (const [field, value] of fields) {
      const all = words();
      field.set(all, AT, value);
      expect(field.get(all, AT)).toBe(value);
      const touched = [...all.keys()].filter((i) => all[i] !== -7);
      expect(touched.every((i) => i >= AT && i < AT + 8 && ((field.halves >> (2 * (i - AT))) & 3) === 3)).toBe(true);
    }
  });

  it("of one word and of two is where it is said to be, low word first", () => {
    const all = words();
    word(2).set(all, AT, 11);
    pair(3).set(all, AT, 2 ** 32 + 5);
    flag(7).set(all, AT, true);
    expect([...all.subarray(AT, AT + 8)]).toEqual([-7, -7, 11, 5, 1, -7, -7, 1]);
  });

  it("that is a flag is yes or no", () => {
    const all = words();
    for (const value of [true, false]) {
      flag(7).set(all, AT, value);
      expect(flag(7).get(all, AT)).toBe(value);
      expect(all[AT + 7]).toBe(value ? 1 : 0);
    }
  });

  it("that is half a word leaves the other half as it is, whichever is set first", () => {
    const [low, high] = [lowHalf(2), highHalf(2)];
    for (const order of [
      [low, high],
      [high, low],
    ]) {
      const all = words();
      for (const half of order) half.set(all, AT, half === low ? 0xfffe : 0x8001);
      expect([low.get(all, AT), high.get(all, AT)]).toEqual([0xfffe, 0x8001]);
      expect(all[AT + 2]).toBe(0x8001_fffe | 0);
      expect([all[AT + 1], all[AT + 3]]).toEqual([-7, -7]);
    }
  });

  it("knows nothing of more than it has room for", () => {
    const all = words();
    lowHalf(2).set(all, AT, 0x1_0003);
    expect([lowHalf(2).get(all, AT), highHalf(2).get(all, AT)]).toEqual([3, 0xffff]);
  });
});

describe("a message's declaration", () => {
  it("has no two fields in one place", () => {
    expect(() => message({ a: pair(3), b: word(4) })).toThrow("b lies over another field");
    expect(() => message({ a: lowHalf(2), b: word(2) })).toThrow("b lies over another field");
    expect(() => message({ a: lowHalf(2), b: highHalf(2), c: highHalf(2) })).toThrow("c lies over another field");
    expect(() => message({ a: pair(2), b: pair(4), c: lowHalf(6), d: highHalf(6), e: flag(7) })).not.toThrow();
  });

  it("has no field over kind and token, or outside of the message", () => {
    for (const field of [word(0), word(1), highHalf(1), pair(1)])
      expect(() => message({ field })).toThrow("field lies over another field");
    for (const field of [word(8), pair(7), lowHalf(8), unsigned(-1)])
      expect(() => message({ field })).toThrow("field lies outside of its message");
  });

  it("is what both sides see, also where the ring had no room", () => {
    const memory = createRing(1);
    const outbox = new Outbox(memory, () => {});
    const inbox = new RingConsumer(memory);
    for (const job of [1, 2, 3]) {
      const at = outbox.begin(63, 0, job);
      MetadataStep.operation.set(outbox.words, at, 1);
      MetadataStep.position.set(outbox.words, at, job * 2 ** 33);
      MetadataStep.bytes.set(outbox.words, at, 2 ** 31);
      MetadataStep.address.set(outbox.words, at, -1);
      MetadataStep.durable.set(outbox.words, at, job === 2);
    }
    const last = outbox.begin(47, 0, 0);
    Reserved.snapshot.set(outbox.words, last, 9);
    Reserved.epoch.set(outbox.words, last, 0xffff);
    Reserved.newChunk.set(outbox.words, last, 2 ** 34);
    Reserved.count.set(outbox.words, last, 4);
    for (const job of [1, 2, 3]) {
      outbox.flush();
      const at = inbox.peek();
      const { words } = inbox;
      expect([kindOf(words, at), tokenOf(words, at), MetadataStep.address.get(words, at)]).toEqual([63, job, -1]);
      expect([MetadataStep.position.get(words, at), MetadataStep.bytes.get(words, at)]).toEqual([
        job * 2 ** 33,
        2 ** 31,
      ]);
      expect(MetadataStep.durable.get(words, at)).toBe(job === 2);
      inbox.advance();
    }
    expect(outbox.flush()).toBe(false);
    const at = inbox.peek();
    expect([Reserved.snapshot.get(inbox.words, at), Reserved.epoch.get(inbox.words, at)]).toEqual([9, 0xffff]);
    expect([Reserved.newChunk.get(inbox.words, at), Reserved.count.get(inbox.words, at)]).toEqual([2 ** 34, 4]);
  });
});

it("a message says beside its kind which volume it is about", () => {
  const memory = createRing(4);
  const outbox = new Outbox(memory, () => {});
  const inbox = new RingConsumer(memory);
  for (const volume of [0, 1, MAX_VOLUMES - 1]) outbox.begin(Message.Reserved, volume, -1);
  outbox.flush();
  for (const volume of [0, 1, MAX_VOLUMES - 1]) {
    const [words, at] = [inbox.words, inbox.peek()];
    expect([kindOf(words, at), volumeOf(words, at), tokenOf(words, at)]).toEqual([Message.Reserved, volume, -1]);
    inbox.advance();
  }
  for (const none of [-1, MAX_VOLUMES])
    expect(() => outbox.begin(Message.Reserved, none, 0)).toThrow("is about a volume");
});
