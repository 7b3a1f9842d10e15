/**
 * Numbers of connections fit into a word of a message for ever.
 */
import { expect, test } from "vitest";
import { ConnectionIds } from "../../../src/engine/connection-ids.ts";

test("after the last one come the first again, but for those that are in use", () => {
  // They went on: the word became negative, -1 was taken for a free record, and no answer found its socket.
  const ids = new ConnectionIds(2 ** 31 - 3);
  const used = new Set([1, 2, 4]);
  const numbers = Array.from({ length: 5 }, () => ids.next((id) => used.has(id)));
  expect(numbers).toEqual([2 ** 31 - 2, 2 ** 31 - 1, 3, 5, 6]);
  expect(Int32Array.from(numbers).every((word, i) => word === numbers[i])).toBe(true);
});
