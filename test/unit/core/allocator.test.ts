import fc from "fast-check";
import { expect, test } from "vitest";
import { Allocator } from "../../../src/core/allocator.ts";
import { CowGeometry } from "../../../src/format/cow-geometry.ts";

test("no space when the next chunk would end behind the device (S-40)", () => {
  const allocator = new Allocator(new CowGeometry(8), true, 4 * 8 + 7, 2, 0);
  expect([allocator.allocate(), allocator.allocate(), allocator.allocate()]).toEqual([2, 3, -1]);
  expect(allocator.nextFree).toBe(4);
});

test("metadata chunks are skipped (S-4, S-40)", () => {
  const allocator = new Allocator(new CowGeometry(1), true, 1000, 33, 31);
  expect([allocator.allocate(), allocator.allocate()]).toEqual([33, 35]);
});

test("the last slot of an area is refused where the next area does not fit, whatever the chunk's number (S-42)", () => {
  const geometry = new CowGeometry(1);
  expect(new Allocator(geometry, true, 34, 33, 31).allocate()).toBe(-1);
  expect(new Allocator(geometry, true, 35, 33, 31).allocate()).toBe(33);
  // With holes the chunk lies beyond the next area already; the slot decides.
  expect(new Allocator(geometry, true, 68, 40, 62).allocate()).toBe(40);
  expect(new Allocator(geometry, true, 67, 40, 63).allocate()).toBe(-1);
});

test("a transient store uses every chunk from 0 on (S-13)", () => {
  const allocator = new Allocator(new CowGeometry(8), false, 24, 0, 0);
  expect([0, 1, 2, 3].map(() => allocator.allocate())).toEqual([0, 1, 2, -1]);
});

test("growth makes room again (S-43)", () => {
  const allocator = new Allocator(new CowGeometry(8), true, 16, 2, 0);
  expect(allocator.allocate()).toBe(-1);
  allocator.resize(24);
  expect(allocator.allocate()).toBe(2);
});

/** A persistent store of chunks of 4 KiB, of which the first `count` have been handed out. */
function handedOut(count: number): Allocator {
  const allocator = new Allocator(new CowGeometry(8), true, 100 * 8, 2, 0);
  for (let i = 0; i < count; i++) allocator.allocate();
  return allocator;
}

test("what comes back is handed out first, the lowest chunk before the others, with its slot (E-8, S-41)", () => {
  const allocator = handedOut(12);
  for (const chunk of [10, 4, 9]) allocator.giveBack(chunk);
  allocator.verify();
  expect([allocator.unused, allocator.nextFree]).toEqual([3, 14]);
  expect([0, 1, 2, 3].map(() => allocator.allocate())).toEqual([4, 9, 10, 14]);
  expect(allocator.unused).toBe(0);
  expect(() => allocator.giveBack(15)).toThrow("the chunk was handed out");

  // The last slot of the only area that fits is nobody's (S-42), before and after.
  const small = new Allocator(new CowGeometry(1), true, 34, 2, 0);
  for (let i = 0; i < 31; i++) small.allocate();
  expect(small.allocate()).toBe(-1);
  small.giveBack(5);
  expect([small.allocate(), small.allocate()]).toEqual([5, -1]);
});

test("more slots do not come back than were taken", () => {
  const allocator = new Allocator(new CowGeometry(8), true, 800, 4, 1);
  allocator.giveBack(2);
  expect(() => allocator.giveBack(3)).toThrow("no more slots come back");
});

test("reserves that are taken back join what is free, in order, and unclaimed ones count as unused (S-46)", () => {
  const allocator = handedOut(8);
  expect([allocator.reserve(4), allocator.reserve(4)]).toEqual([10, 11]);
  allocator.allocate();
  for (const chunk of [12, 9]) allocator.giveBack(chunk);
  expect([allocator.reserved, allocator.unused]).toEqual([2, 4]);
  allocator.verify();
  expect(() => allocator.giveBack(10)).toThrow("the chunk was handed out");
  allocator.reclaim();
  allocator.verify();
  expect([allocator.reserved, allocator.unused]).toEqual([0, 4]);
  expect(() => allocator.claim(10)).toThrow("in reserve");
  expect([0, 1, 2, 3, 4].map(() => allocator.allocate())).toEqual([9, 10, 11, 12, 13]);
});

test("an area is used when an exception's chunk lies behind it, not when a reserve does (S-44, S-71)", () => {
  // The kernel's status of the same writes said one chunk less, as long as reserves lay behind an area that nothing had come to.
  const allocator = new Allocator(new CowGeometry(1), true, 200, 2, 0);
  for (let i = 0; i < 30; i++) allocator.allocate();
  expect([0, 1, 2, 3].map(() => allocator.reserve(4))).toEqual([32, 33, 35, 36]);
  expect([allocator.nextFree, allocator.used]).toEqual([37, 32]);
  const used = [32, 33, 35, 36].map((chunk) => [allocator.claim(chunk), allocator.used][1]);
  expect(used).toEqual([33, 35, 36, 37]);
});

test("reserves are given while the margin is free, to its last chunk (S-44)", () => {
  const allocator = new Allocator(new CowGeometry(8), true, 10 * 8, 2, 0);
  expect([allocator.reserve(9), allocator.reserve(8), allocator.reserve(7), allocator.reserve(7)]).toEqual([
    -1, 2, 3, -1,
  ]);
  expect([allocator.claim(3), allocator.reserved]).toEqual([true, 1]);
  expect(() => new Allocator(new CowGeometry(8), true, 20, 2, 0).reserve(0)).toThrow("lies on the device");
});

test("a reserve has its slot by its claim, and none where the next area does not fit (S-42, S-45)", () => {
  const allocator = new Allocator(new CowGeometry(1), true, 34, 31, 29);
  expect([allocator.reserve(1), allocator.reserve(1)]).toEqual([31, 32]);
  expect([allocator.claim(32), allocator.claim(31), allocator.claim(31)]).toEqual([true, true, false]);
});

test("a device may stay as it is or grow, and shrink to what is in use (E-45)", () => {
  const allocator = handedOut(5);
  expect(allocator.usedSectors).toBe(7 * 8);
  expect(() => allocator.resize(7 * 8 - 1)).toThrow("stays on the device");
  allocator.resize(7 * 8);
  expect([allocator.cowSectors, allocator.allocate()]).toEqual([56, -1]);

  // Its next area is not there: more is in use than there is (S-42), and that stays so.
  const full = new Allocator(new CowGeometry(1), true, 34, 34, 32);
  expect(full.usedSectors).toBe(35);
  full.resize(34);
  expect(() => full.resize(33)).toThrow("stays on the device");
});

test("a transient store has no metadata: chunk 1 is data, and an empty one uses nothing (S-13)", () => {
  const allocator = new Allocator(new CowGeometry(8), false, 80, 0, 0);
  expect(allocator.usedSectors).toBe(0);
  allocator.allocate();
  allocator.verify();
  expect(allocator.usedSectors).toBe(8);
  allocator.allocate();
  expect(allocator.usedSectors).toBe(16);
  for (const chunk of [1, 0]) allocator.giveBack(chunk);
  allocator.verify();
  expect([allocator.allocate(), allocator.allocate(), allocator.allocate()]).toEqual([0, 1, 2]);
});

test("after a merge was left, allocation goes on behind what remains, and reserves are nobody's (S-64)", () => {
  const allocator = handedOut(9);
  allocator.reserve(4);
  allocator.giveBack(7);
  allocator.restart(6, 4);
  expect([allocator.nextFree, allocator.reserved, allocator.unused, allocator.usedSectors]).toEqual([6, 0, 0, 48]);
  expect([allocator.allocate(), allocator.allocate()]).toEqual([6, 7]);
  expect(() => allocator.restart(1, 0)).toThrow("metadata chunk");
  expect(() => allocator.restart(0, 0)).toThrow("gives none out");
  expect(() => allocator.restart(9, 0)).toThrow("gives none out");
  expect(() => allocator.restart(8, 7)).toThrow("takes exceptions away");
  expect(() => allocator.restart(8, -1)).toThrow("takes exceptions away");
  allocator.restart(8, 6);
  allocator.restart(2, 0);
  expect(allocator.allocate()).toBe(2);
});

test("on any device: data chunks ascend, lie wholly inside, and a kernel could open the full store (S-4, S-40, S-42)", () => {
  fc.assert(
    fc.property(fc.constantFrom(1, 2, 4), fc.integer({ min: 2, max: 800 }), (chunkSectors, cowSectors) => {
      const geometry = new CowGeometry(chunkSectors);
      const allocator = new Allocator(geometry, true, cowSectors, 2, 0);
      let slots = 0;
      let last = 1;
      for (let chunk = allocator.allocate(); chunk >= 0; chunk = allocator.allocate()) {
        expect(geometry.isMetadataChunk(chunk)).toBe(false);
        expect(chunk).toBeGreaterThan(last);
        expect((chunk + 1) * chunkSectors).toBeLessThanOrEqual(cowSectors);
        last = chunk;
        slots += 1;
      }
      const area = Math.floor(slots / geometry.exceptionsPerArea);
      if (slots > 0) expect(geometry.areaFits(area, cowSectors)).toBe(true);
      expect(allocator.usedSectors).toBeLessThanOrEqual(Math.max(cowSectors, 2 * chunkSectors));
    }),
  );
});
