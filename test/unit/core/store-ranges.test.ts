/** What the loader of a store asks for, range by range, and what it says of the parts (S-30…S-38). */
import { expect, test } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { StoreLoader, type StoreLoadOptions } from "../../../src/core/store-loader.ts";
import { openImage, putException, storeImage } from "../../support/store-image.ts";

const CHUNK_BYTES = 4096;
const MIB = 1024 * 1024;

function loaderOf(options: Partial<StoreLoadOptions>): StoreLoader {
  const blocks = { origin: 512, cow: 512 };
  return new StoreLoader({ cowBytes: 16 * CHUNK_BYTES, chunkSectors: 8, blocks, ...options }, () => undefined);
}

test("a device of one chunk is long enough to be looked at, and no shorter one (S-30)", () => {
  expect(loaderOf({ cowBytes: CHUNK_BYTES }).chunkBytes).toBe(CHUNK_BYTES);
  expect(() => loaderOf({ cowBytes: CHUNK_BYTES - 1 })).toThrow("is shorter than one chunk");
});

test("of the header's chunk a block is read, 4 KiB at least where it has as many (S-30)", () => {
  const length = (chunkSectors: number, cow: number): number | undefined =>
    loaderOf({ chunkSectors, blocks: { origin: 512, cow } }).wanted?.length;
  expect([length(1, 512), length(8, 512), length(64, 512), length(64, 8192)]).toEqual([512, 4096, 4096, 8192]);
});

test("a header of its own 16 bytes will do, and ranges are asked for as far as the device goes (S-36, S-42)", () => {
  const loader = loaderOf({});
  expect([loader.wanted?.area, loader.ahead(1)]).toEqual([-1, undefined]);
  loader.feed(storeImage(CHUNK_BYTES, 8).subarray(0, 16));
  expect([loader.wanted?.position, loader.ahead(1)]).toEqual([CHUNK_BYTES, undefined]);
  const large = loaderOf({ cowBytes: 259 * CHUNK_BYTES });
  large.feed(storeImage(CHUNK_BYTES, 8));
  expect([large.ahead(1)?.position, large.ahead(2)]).toEqual([258 * CHUNK_BYTES, undefined]);
});

test("a range that cannot be read is named (S-37)", () => {
  const loader = loaderOf({});
  expect(() => loader.fail(errno.EIO)).toThrow("cannot read the header of the cow device");
  loader.feed(storeImage(CHUNK_BYTES, 8));
  expect(() => loader.fail(errno.EIO)).toThrow("cannot read area 0 of the cow device");
});

test("a list that ends amid an area of several pieces: the others are looked at for stale bytes, and no further area (S-7)", () => {
  const loader = loaderOf({ cowBytes: 2 ** 40, chunkSectors: 4096 });
  loader.feed(storeImage(CHUNK_BYTES, 4096).subarray(0, CHUNK_BYTES));
  expect(loader.ahead(2)?.area).toBe(1);
  loader.feed(new Uint8Array(MIB));
  expect([loader.wanted, loader.ahead(1)]).toEqual([{ area: 0, position: 3 * MIB, length: MIB }, undefined]);
  const stale = new Uint8Array(MIB);
  stale[MIB - 1] = 1;
  loader.feed(stale);
  expect(loader.result()).toMatchObject({ exceptions: 0, committed: 0, staleTail: true, areaMissing: false });
});

test("an invalid store, and one that is good, miss nothing (S-35, S-42)", () => {
  const image = storeImage(16 * CHUNK_BYTES, 8, [[1, 2]]);
  const good = openImage(image, { chunkSectors: 8 });
  expect(good.loaded).toMatchObject({ state: "active", staleTail: false, areaMissing: false, warnings: [] });
  image[4] = 0;
  expect(openImage(image).loaded).toMatchObject({ state: "invalid", staleTail: false, areaMissing: false });
});

test("old chunks that are there twice are the sink's affair where it finds them, new ones never (S-38)", () => {
  const twice = storeImage(16 * CHUNK_BYTES, 8, [
    [1, 2],
    [1, 3],
  ]);
  expect(() => openImage(twice)).toThrow("old chunk 1 appears twice");
  expect(openImage(twice, { sinkFindsDuplicates: true }).exceptions).toHaveLength(2);
  putException(twice, 8, 1, 5, 2);
  expect(() => openImage(twice, { sinkFindsDuplicates: true })).toThrow("new chunk 2 appears twice");
});
