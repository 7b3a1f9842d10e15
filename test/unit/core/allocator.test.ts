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
