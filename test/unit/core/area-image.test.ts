/** The current area in memory: only its beginning is there, and every write is what a whole area in memory would have given. */
import { expect, test } from "vitest";
import { AreaImage, type MetadataWrite } from "../../../src/core/area-image.ts";
import type { LoadedStore } from "../../../src/core/loaded-store.ts";
import { CowGeometry } from "../../../src/format/cow-geometry.ts";
import { MetadataArea } from "../../../src/format/metadata-area.ts";

const BLOCK = 4096;
const KEPT = 64 * 1024;

function imageOf(geometry: CowGeometry, committed: number, parts: Partial<LoadedStore> = {}): AreaImage {
  const area = new Uint8Array(committed * 16);
  for (let slot = 0; slot < committed; slot++) new MetadataArea(area).set(slot, slot, 2 + slot);
  return new AreaImage(geometry, BLOCK, {
    state: "active",
    persistent: true,
    chunkSectors: geometry.chunkSectors,
    cowSectors: 0,
    exceptions: committed,
    nextFree: 2 + committed,
    currentArea: 0,
    committed,
    area,
    staleTail: false,
    areaMissing: false,
    highWater: [],
    warnings: [],
    ...parts,
  });
}

function apply(device: Uint8Array, geometry: CowGeometry, { position, bytes }: MetadataWrite): void {
  device.set(bytes, position - geometry.areaPosition(0));
}

test("of an area of a gibibyte as much is in memory as it lists, doubled as it is filled", () => {
  const geometry = new CowGeometry(2 ** 21);
  const image = imageOf(geometry, 3);
  expect(image.metadata.bytes.length).toBe(KEPT);
  expect(image.room).toBe(2 ** 26 - 3);
  for (let slot = 3; slot < KEPT / 16; slot++) image.put(slot - 3, slot, 2 + slot);
  image.added(KEPT / 16 - 3);
  expect(image.metadata.bytes.length).toBe(KEPT);
  image.put(0, 9, 9);
  expect(image.metadata.bytes.length).toBe(2 * KEPT);
  expect(image.metadata.oldChunk(KEPT / 16 - 1)).toBe(KEPT / 16 - 1);
  expect(image.writeOf(1)).toMatchObject({ position: geometry.areaPosition(0) + KEPT });
  expect(image.firstBlock().bytes.length).toBe(BLOCK);
});

test.each([7, 256, 700])(
  "groups of %d fill an area of 256 KiB, block by block, and then the next one is current",
  (group) => {
    const geometry = new CowGeometry(512);
    const image = imageOf(geometry, 5);
    const device = new Uint8Array(geometry.chunkBytes);
    device.set(image.metadata.bytes.subarray(0, 5 * 16));
    const whole = new MetadataArea(device.slice());
    let longest = 0;
    let full = false;
    for (let slot = 5; slot < geometry.exceptionsPerArea; ) {
      const count = Math.min(group, image.room);
      for (let i = 0; i < count; i++) {
        image.put(i, 3 * (slot + i), 2 + slot + i);
        whole.set(slot + i, 3 * (slot + i), 2 + slot + i);
      }
      const write = image.writeOf(count);
      longest = Math.max(longest, write.bytes.length);
      apply(device, geometry, write);
      slot += count;
      full = image.added(count);
      if (full) break;
    }
    expect(full).toBe(true);
    expect(longest).toBeLessThan(group * 16 + 2 * BLOCK);
    expect(Buffer.compare(device, whole.bytes)).toBe(0);
    expect([image.area, image.committed, image.metadata.bytes.length]).toEqual([1, 0, KEPT]);
    expect(image.nextFree()).toBe(geometry.skipMetadata(2 + geometry.exceptionsPerArea));
  },
);

test("what is stale is zeroed to the end of a large area, slice by slice, and what is listed stays (S-7)", () => {
  const geometry = new CowGeometry(8192);
  const image = imageOf(geometry, 5000, { staleTail: true });
  const device = new Uint8Array(geometry.chunkBytes).fill(0xee);
  const listed = image.metadata.bytes.slice(0, 5000 * 16);
  device.set(listed);
  for (let writes = 1; image.stale; writes++) {
    const write = image.staleWrite(2 ** 20);
    expect(write.bytes.length).toBeLessThanOrEqual(2 ** 20 + 2 * BLOCK);
    apply(device, geometry, write);
    image.staleWritten(write);
    expect(writes).toBeLessThanOrEqual(4);
  }
  expect(Buffer.compare(device.subarray(0, listed.length), listed)).toBe(0);
  expect(device.subarray(listed.length).every((byte) => byte === 0)).toBe(true);
  expect(image.metadata.bytes.length).toBe(2 * KEPT);
});

test("an image that is given whole stays as it is, and knows its place in the list (S-2, S-7)", () => {
  const geometry = new CowGeometry(8);
  const whole = imageOf(geometry, 3, { area: new Uint8Array(geometry.chunkBytes), currentArea: 2, highWater: [9, 99] });
  expect([whole.metadata.bytes.length, whole.exceptions, whole.room]).toEqual([geometry.chunkBytes, 515, 253]);
  expect([whole.stale, imageOf(geometry, 0, { staleTail: true }).stale]).toEqual([false, true]);
});

test("an exception stands in its slot with both its chunks, or not at all", () => {
  const image = imageOf(new CowGeometry(8), 1);
  image.put(0, 7, 20);
  expect([image.has(0, 7, 20), image.has(0, 8, 20), image.has(0, 7, 21), image.has(1, 7, 20)]).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test("a merge goes back to where the area was at most (S-64)", () => {
  const image = imageOf(new CowGeometry(8), 4);
  image.shrunk(0, image.metadata, 4);
  expect(() => image.shrunk(0, image.metadata, 5)).toThrow("backwards");
  image.shrunk(0, image.metadata, 1);
  expect([image.exceptions, image.nextFree(), image.has(0, 1, 3)]).toEqual([1, 3, false]);
});
