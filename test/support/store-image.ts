/**
 * Writes the bytes of a persistent store by hand, and opens one with the loader: the tests' own view of the format.
 */
import { CowGeometry } from "../../src/format/cow-geometry.ts";
import { encodeHeader } from "../../src/format/disk-header.ts";
import { writeU64LE } from "../../src/base/u64.ts";
import { StoreLoader, type StoreLoadOptions } from "../../src/core/store-loader.ts";
import type { LoadedStore } from "../../src/core/loaded-store.ts";

export type ExceptionPair = readonly [oldChunk: number, newChunk: number];

/** A COW device of `cowBytes` with these exceptions, in order, and nothing else. */
export function storeImage(
  cowBytes: number,
  chunkSectors: number,
  exceptions: readonly ExceptionPair[] = [],
): Uint8Array {
  const image = new Uint8Array(cowBytes);
  image.set(encodeHeader(true, chunkSectors));
  exceptions.forEach(([oldChunk, newChunk], index) => putException(image, chunkSectors, index, oldChunk, newChunk));
  return image;
}

/** Put one exception at its place in the list. */
export function putException(
  image: Uint8Array,
  chunkSectors: number,
  index: number,
  oldChunk: number,
  newChunk: number,
): void {
  const geometry = new CowGeometry(chunkSectors);
  const area = Math.floor(index / geometry.exceptionsPerArea);
  const at = geometry.areaPosition(area) + (index % geometry.exceptionsPerArea) * 16;
  const view = new DataView(image.buffer, image.byteOffset);
  writeU64LE(view, at, oldChunk);
  writeU64LE(view, at + 8, newChunk);
}

export interface Opened {
  readonly loaded: LoadedStore;
  readonly exceptions: readonly ExceptionPair[];
}

/** Open an image with the loader, reading ahead by `depth` areas. */
export function openImage(image: Uint8Array, options: Partial<StoreLoadOptions> = {}, depth = 1): Opened {
  const exceptions: [number, number][] = [];
  const loader = new StoreLoader(
    { cowBytes: image.length, chunkSectors: 0, blocks: { origin: 512, cow: 512 }, ...options },
    (oldChunk, newChunk) => void exceptions.push([oldChunk, newChunk]),
  );
  const queue: Uint8Array[] = [];
  for (;;) {
    const range = loader.wanted;
    if (range === undefined) return { loaded: loader.result(), exceptions };
    while (queue.length < depth) {
      const ahead = loader.ahead(queue.length);
      if (ahead === undefined) break;
      queue.push(image.slice(ahead.position, ahead.position + ahead.length));
    }
    loader.feed(queue.shift()!);
  }
}
