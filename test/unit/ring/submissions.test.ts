/** The batch of a turn: every word of a descriptor where the ring looks for it. */
import { expect, it } from "vitest";
import { DESCRIPTOR_WORDS, IoFlag, IoOp } from "../../../src/ring/io-descriptor.ts";
import { Submissions } from "../../../src/ring/submissions.ts";

function batch(capacity = 3): { readonly words: Int32Array; readonly submissions: Submissions } {
  const words = new Int32Array(capacity * DESCRIPTOR_WORDS);
  return { words, submissions: new Submissions(words) };
}

function descriptor(words: Int32Array, i: number): number[] {
  return [...words.subarray(i * DESCRIPTOR_WORDS, i * DESCRIPTOR_WORDS + 10)];
}

it("has operation, file, user, address, length, position and argument of each", () => {
  const { words, submissions } = batch();
  submissions.push(IoOp.Read, 1, 2, 3, 4, 5 * 2 ** 32 + 6, 7);
  submissions.push(IoOp.Write, 11, 12, 13, 14, 15, 16);
  expect(descriptor(words, 0)).toEqual([IoOp.Read, 1, 2, 3, 4, 6, 5, 7, 0, 0]);
  expect(descriptor(words, 1)).toEqual([IoOp.Write, 11, 12, 13, 14, 15, 0, 16, 0, 0]);
  expect(submissions.count).toBe(2);
});

it("has a second length where something is allocated, and none of it in what comes to its place later", () => {
  const { words, submissions } = batch();
  submissions.pushAllocate(1, 2, 3, 4 * 2 ** 32 + 5, 6 * 2 ** 32 + 7);
  expect(descriptor(words, 0)).toEqual([IoOp.Allocate, 1, 2, 0, 0, 5, 4, 3, 7, 6]);
  expect(submissions.take()).toBe(1);
  submissions.push(IoOp.Read, 1, 2, 3, 4, 5, 6);
  expect(descriptor(words, 0)).toEqual([IoOp.Read, 1, 2, 3, 4, 5, 0, 6, 0, 0]);
  submissions.take();
  submissions.pushAllocate(1, 2, 3, 4, 5);
  expect(descriptor(words, 0)).toEqual([IoOp.Allocate, 1, 2, 0, 0, 4, 0, 3, 5, 0]);
});

it("is empty when it has been taken", () => {
  const { submissions } = batch();
  submissions.push(IoOp.Nop, 0, 0, 0, 0, 0, 0);
  expect([submissions.take(), submissions.count, submissions.take()]).toEqual([1, 0, 0]);
});

it("marks the last descriptor alone, with either flag or both", () => {
  const { words, submissions } = batch();
  for (let i = 0; i < 3; i++) {
    submissions.push(IoOp.Write, 0, 0, 0, 0, 0, 0);
    if (i > 0) submissions.link();
    if (i < 2) submissions.atOnce();
  }
  const flags = [0, 1, 2].map((i) => words[i * DESCRIPTOR_WORDS]! >> 8);
  expect(flags).toEqual([IoFlag.AtOnce, IoFlag.AtOnce | IoFlag.Link, IoFlag.Link]);
  expect(words[0]! & 255).toBe(IoOp.Write);
});

it("never grows: what has no room is a programmer's error", () => {
  const { submissions } = batch(2);
  submissions.push(IoOp.Nop, 0, 0, 0, 0, 0, 0);
  submissions.pushAllocate(0, 0, 0, 0, 1);
  expect(() => submissions.push(IoOp.Nop, 0, 0, 0, 0, 0, 0)).toThrow("more descriptors");
  expect(() => submissions.pushAllocate(0, 0, 0, 0, 1)).toThrow("more descriptors");
  expect(submissions.count).toBe(2);
});
