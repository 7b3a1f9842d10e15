import { expect, it } from "vitest";
import { Outbox } from "../../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../../src/ring/spsc-ring.ts";
import { sendWords } from "../../support/raw-message.ts";

function takeAll(consumer: RingConsumer): number[] {
  const tokens: number[] = [];
  for (let at = consumer.peek(); at >= 0; at = consumer.peek()) {
    tokens.push(consumer.words[at + 1]);
    consumer.advance();
  }
  return tokens;
}

it("keeps what the ring has no room for, in order, until there is room", () => {
  const memory = createRing(4);
  const outbox = new Outbox(memory, () => {});
  const consumer = new RingConsumer(memory);
  for (let token = 0; token < 10; token++) outbox.send(1, 0, token);
  expect(outbox.flush()).toBe(true);
  const got = takeAll(consumer);
  outbox.send(1, 0, 10);
  while (outbox.flush()) got.push(...takeAll(consumer));
  got.push(...takeAll(consumer));
  expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

it("wakes a sleeping consumer once per flush, and an awake one never", () => {
  const memory = createRing(4);
  let wakes = 0;
  const outbox = new Outbox(memory, () => wakes++);
  const consumer = new RingConsumer(memory);
  outbox.send(1, 0, 1);
  outbox.flush();
  expect(wakes).toBe(0);
  takeAll(consumer);
  consumer.prepareSleep();
  outbox.send(1, 0, 2);
  outbox.send(1, 0, 3);
  outbox.flush();
  outbox.flush();
  expect(wakes).toBe(1);
});

it("brings every word of a message, also of one that had no room at first", () => {
  const memory = createRing(1);
  const outbox = new Outbox(memory, () => {});
  const consumer = new RingConsumer(memory);
  sendWords(outbox, 1, 2, 3, 4, 5, 6, 7, 8);
  sendWords(outbox, 11, 12, 13, 14, 15, 16, 17, 18);
  sendWords(outbox, 21, 22);
  const got: number[][] = [];
  const more: boolean[] = [];
  for (let i = 0; i < 4; i++) {
    more.push(outbox.flush());
    const at = consumer.peek();
    if (at < 0) continue;
    got.push([...consumer.words.subarray(at, at + 8)]);
    consumer.advance();
  }
  expect(got).toEqual([
    [1, 2, 3, 4, 5, 6, 7, 8],
    [11, 12, 13, 14, 15, 16, 17, 18],
    [21, 22, 0, 0, 0, 0, 0, 0],
  ]);
  expect(more).toEqual([true, true, false, false]);
});
