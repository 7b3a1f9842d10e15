import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRing, RingConsumer, RingProducer } from "../../../src/ring/spsc-ring.ts";

function put(producer: RingProducer, value: number): boolean {
  const at = producer.reserve();
  if (at < 0) return false;
  producer.words[at] = value;
  return true;
}

describe("spsc ring", () => {
  it("shows nothing before publish", () => {
    const memory = createRing(4);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    put(producer, 7);
    expect(consumer.peek()).toBe(-1);
    producer.publish();
    expect(consumer.words[consumer.peek()]).toBe(7);
  });

  it("says not yet when it is full, and takes more after one was consumed", () => {
    const memory = createRing(2);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    expect([put(producer, 1), put(producer, 2), put(producer, 3)]).toEqual([true, true, false]);
    producer.publish();
    consumer.peek();
    consumer.advance();
    expect(put(producer, 3)).toBe(true);
  });

  it("refuses a capacity that is no power of two", () => {
    expect(() => createRing(3)).toThrow("power of two");
  });

  it("asks for a wake-up only when the consumer sleeps, and only once (C-5)", () => {
    const memory = createRing(8);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    put(producer, 1);
    expect(producer.publish()).toBe(false);
    consumer.peek();
    consumer.advance();
    expect(consumer.prepareSleep()).toBe(true);
    put(producer, 2);
    expect(producer.publish()).toBe(true);
    put(producer, 3);
    expect(producer.publish()).toBe(false);
  });

  it("does not let the consumer sleep over a message that was published before (C-5)", () => {
    const memory = createRing(8);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    put(producer, 1);
    producer.publish();
    expect(consumer.prepareSleep()).toBe(false);
    put(producer, 2);
    expect(producer.publish()).toBe(false);
  });

  it("keeps order and loses nothing, whatever the sizes of batches are", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(12), fc.nat(12)), { maxLength: 200 }), (steps) => {
        const memory = createRing(8);
        const producer = new RingProducer(memory);
        const consumer = new RingConsumer(memory);
        let sent = 0;
        let got = 0;
        for (const [puts, takes] of steps) {
          for (let i = 0; i < puts && put(producer, sent); i++) sent += 1;
          producer.publish();
          for (let i = 0; i < takes; i++) {
            const at = consumer.peek();
            if (at < 0) break;
            expect(consumer.words[at]).toBe(got);
            got += 1;
            consumer.advance();
          }
        }
        expect(got).toBeLessThanOrEqual(sent);
        expect(sent - got).toBeLessThanOrEqual(8);
      }),
    );
  });
});

describe("the indices of a ring", () => {
  /** Both indices are near the end of 32 bits. */
  function old(capacity: number): SharedArrayBuffer {
    const memory = createRing(capacity);
    new Int32Array(memory)[0] = 0x7fff_fffe;
    new Int32Array(memory)[16] = 0x7fff_fffe;
    return memory;
  }

  it("run over the end of 32 bits", () => {
    const memory = old(4);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    for (let value = 0; value < 20; value += 4) {
      expect([0, 1, 2, 3, 4].map((i) => put(producer, value + i))).toEqual([true, true, true, true, false]);
      expect(producer.publish()).toBe(false);
      for (let i = 0; i < 4; i++) {
        expect(consumer.words[consumer.peek()]).toBe(value + i);
        consumer.advance();
      }
      expect(consumer.peek()).toBe(-1);
    }
  });

  it("are taken up where they are by whoever comes later", () => {
    const memory = createRing(4);
    const first = new RingProducer(memory);
    for (const value of [1, 2, 3]) put(first, value);
    first.publish();
    const consumer = new RingConsumer(memory);
    consumer.peek();
    consumer.advance();
    const second = new RingProducer(memory);
    expect([put(second, 4), put(second, 5), put(second, 6)]).toEqual([true, true, false]);
    second.publish();
    const later = new RingConsumer(memory);
    const got: number[] = [];
    for (let at = later.peek(); at >= 0; at = later.peek()) {
      got.push(later.words[at]!);
      later.advance();
    }
    expect(got).toEqual([2, 3, 4, 5]);
  });
});

it("a ring has three lines of words and its messages, and no capacity of nothing", () => {
  expect(createRing(4).byteLength).toBe((48 + 4 * 8) * 4);
  expect(() => createRing(0)).toThrow("power of two");
  expect(createRing(1).byteLength).toBe((48 + 8) * 4);
});

it("a consumer that is awake again is not woken", () => {
  const memory = createRing(8);
  const producer = new RingProducer(memory);
  const consumer = new RingConsumer(memory);
  expect(consumer.prepareSleep()).toBe(true);
  consumer.awake();
  put(producer, 1);
  expect(producer.publish()).toBe(false);
  expect(producer.publish(), "nothing new").toBe(false);
});

it("nobody is woken where nothing new is published", () => {
  const memory = createRing(8);
  const producer = new RingProducer(memory);
  const consumer = new RingConsumer(memory);
  expect(consumer.prepareSleep()).toBe(true);
  expect(producer.publish()).toBe(false);
  put(producer, 1);
  expect(producer.publish()).toBe(true);
});
