/**
 * Chunks in reserve: how many are asked for and when, in which order they are used, and that an epoch's end makes them void (C-15, C-18).
 */
import { expect, it } from "vitest";
import { ChunkReserve } from "../../../workers/export/chunk-reserve.ts";

function taken(reserve: ChunkReserve, epoch: number): number[] {
  const chunks = [];
  for (let chunk = reserve.take(epoch); chunk !== -1; chunk = reserve.take(epoch)) chunks.push(chunk);
  return chunks;
}

it("are used in ascending order, whatever order they came in, and so are those that come back", () => {
  const reserve = new ChunkReserve();
  reserve.add(20, 3, 1);
  reserve.add(5, 2, 1);
  expect(reserve.take(1)).toBe(5);
  reserve.giveBack(5, 1);
  expect(taken(reserve, 1)).toEqual([5, 6, 20, 21, 22]);
  expect(reserve.take(1)).toBe(-1);
});

it("of an older epoch are void, when they are taken, when others come, and when one comes back", () => {
  const reserve = new ChunkReserve();
  reserve.add(0, 3, 1);
  expect(reserve.take(1)).toBe(0);
  reserve.add(10, 2, 2);
  reserve.giveBack(0, 1);
  expect(taken(reserve, 2)).toEqual([10, 11]);
  reserve.add(20, 2, 2);
  expect(reserve.take(3)).toBe(-1);
  expect(reserve.take(2)).toBe(-1);
});

it("a run has chunks, and none is there twice", () => {
  const reserve = new ChunkReserve();
  expect(() => reserve.add(-1, 2, 1)).toThrow("no chunks");
  expect(() => reserve.add(5, 0, 1)).toThrow("no chunks");
  reserve.add(0, 1, 1);
  expect(() => reserve.giveBack(0, 1)).toThrow("twice");
});

it("twice as many are asked for each time, up to 32, once no more than a third of that is left", () => {
  const reserve = new ChunkReserve();
  let [left, next] = [0, 0];
  const asked: [left: number, wanted: number][] = [];
  while (asked.length < 5) {
    const wanted = reserve.wanted();
    if (wanted > 0) {
      asked.push([left, wanted]);
      reserve.add(next, wanted, 1);
      [left, next] = [left + wanted, next + wanted];
    }
    expect(reserve.take(1)).toBe(next - left);
    left -= 1;
  }
  expect(asked).toEqual([
    [0, 4],
    [2, 8],
    [5, 16],
    [10, 32],
    [10, 32],
  ]);
});

it("main that gave none is asked again after 64 first writes, and at once when it has given some", () => {
  const reserve = new ChunkReserve();
  expect(reserve.wanted()).toBe(4);
  const asked = Array.from({ length: 65 }, () => reserve.wanted());
  expect(asked).toEqual([...new Array<number>(64).fill(0), 8]);
  reserve.add(0, 1, 1);
  expect(reserve.take(1)).toBe(0);
  expect(reserve.wanted()).toBe(16);
});
