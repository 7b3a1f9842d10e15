import { expect, test } from "vitest";
import { CommitQueue } from "../../../src/core/commit-queue.ts";

interface Record {
  sequence: number;
  ready: boolean;
  nextInQueue: Record | null;
}

function queueOf(...sequences: readonly number[]): { readonly queue: CommitQueue<Record>; readonly records: Record[] } {
  const queue = new CommitQueue<Record>();
  const records = sequences.map((sequence): Record => ({ sequence, ready: false, nextInQueue: null }));
  for (const record of records) queue.push(record);
  return { queue, records };
}

/** What is left in the queue, in its order. */
function sequencesOf({ head }: CommitQueue<Record>): readonly number[] {
  const sequences: number[] = [];
  for (let at = head; at !== null; at = at.nextInQueue) sequences.push(at.sequence);
  return sequences;
}

test.each([0, 1, 2])("exception %i of three is left out, and the others keep their places (S-47)", (which) => {
  const { queue, records } = queueOf(1, 2, 3);
  queue.remove(records[which]!);
  queue.verify();
  queue.push({ sequence: 4, ready: false, nextInQueue: null });
  queue.verify();
  expect(sequencesOf(queue)).toEqual([1, 2, 3, 4].filter((sequence) => sequence !== which + 1));
  expect([queue.length, queue.ready]).toEqual([3, 0]);
});

test("where the first that is not ready is left out, those behind it that are join the ready prefix (S-41, S-47)", () => {
  const { queue, records } = queueOf(1, 2, 3, 4);
  for (const at of [0, 2]) records[at]!.ready = true;
  queue.advance();
  expect(queue.ready).toBe(1);
  queue.remove(records[1]!);
  queue.verify();
  expect([queue.length, queue.ready]).toEqual([3, 2]);
  expect([queue.shift(), queue.shift()]).toEqual([records[0], records[2]]);
  expect(() => queue.shift()).toThrow("there is a ready prefix");
  queue.remove(records[3]!);
  queue.verify();
  expect([queue.head, queue.length]).toEqual([null, 0]);
});

test("what is ready is not left out, nor what was never queued", () => {
  const { queue, records } = queueOf(1, 2);
  records[0]!.ready = true;
  expect(() => queue.remove(records[0]!)).toThrow("on its way to the disk");
  expect(() => queue.remove({ sequence: 3, ready: false, nextInQueue: null })).toThrow("is in the queue");
  expect(() => queue.push({ sequence: 3, ready: true, nextInQueue: null })).toThrow("no data yet");
  expect(() => queue.push({ sequence: 2, ready: false, nextInQueue: null })).toThrow("order of allocation");
});

test("a walk passes over what is ready behind what is not, and sees what is not as it was left", () => {
  const walk = (spoil: (records: Record[]) => void): (() => void) => {
    const { queue, records } = queueOf(1, 2, 3);
    records[0]!.ready = true;
    queue.advance();
    spoil(records);
    return () => queue.verify();
  };
  expect(walk((records) => (records[2]!.ready = true))).not.toThrow();
  expect(walk((records) => (records[1]!.ready = true))).toThrow("the first that is not");
  expect(walk((records) => (records[0]!.ready = false))).toThrow("the first that is not");
  expect(walk((records) => (records[2]!.sequence = 2))).toThrow("order of allocation");
  expect(walk((records) => (records[1]!.nextInQueue = null))).toThrow("as long as it says");
});

test("a queue that is cleared begins anew", () => {
  const { queue, records } = queueOf(1, 2);
  records[0]!.ready = true;
  queue.advance();
  queue.clear();
  queue.verify();
  expect([queue.length, queue.ready, queue.head]).toEqual([0, 0, null]);
  const again: Record = { sequence: 1, ready: false, nextInQueue: null };
  queue.push(again);
  again.ready = true;
  queue.advance();
  expect([queue.shift(), queue.head]).toEqual([again, null]);
});
