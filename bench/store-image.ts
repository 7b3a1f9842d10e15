/**
 * Makes COW stores with many exceptions without going through a server: header and areas, written as the format says.
 *
 * The data chunks stay holes, or what the file held before: what is measured is how a store opens, is looked up and is merged, not how
 * it came to be. Old chunks are drawn without repetition by a full-period walk over the origin's chunks, so that no two exceptions fold into a run.
 */
import { closeSync, constants, ftruncateSync, openSync, writeSync } from "node:fs";
import { SECTOR_BYTES } from "../src/base/units.ts";
import { CowGeometry, FIRST_DATA_CHUNK } from "../src/format/cow-geometry.ts";
import { encodeHeader } from "../src/format/disk-header.ts";
import { MetadataArea } from "../src/format/metadata-area.ts";

export interface StoreImage {
  readonly path: string;
  readonly chunkBytes: number;
  /** A power of two. */
  readonly originChunks: number;
  readonly exceptions: number;
  /** Old chunks in a scattered order, or one after the other. */
  readonly order: "scattered" | "sequential";
  /** The file is there, and long enough: its data chunks stay as they are. */
  readonly over?: boolean;
}

/** An odd step walks through all of a power of two; near the golden section, neighbours in time are far apart. */
const GOLDEN = 0.618_033_988_75;

/** Writes the file; returns its size in bytes. */
export function writeStoreImage(image: StoreImage): number {
  const { chunkBytes, originChunks, exceptions } = image;
  const geometry = new CowGeometry(chunkBytes / SECTOR_BYTES);
  const step = Math.floor((originChunks * GOLDEN) / 2) * 2 + 1;
  const fd = openSync(image.path, constants.O_RDWR | constants.O_CREAT | (image.over === true ? 0 : constants.O_TRUNC));
  try {
    writeSync(fd, encodeHeader(true, chunkBytes / SECTOR_BYTES, SECTOR_BYTES), 0, SECTOR_BYTES, 0);
    let newChunk = FIRST_DATA_CHUNK;
    let oldChunk = 0;
    const perArea = geometry.exceptionsPerArea;
    for (let done = 0, area = 0; done <= exceptions; done += perArea, area++) {
      const bytes = new Uint8Array(chunkBytes);
      const metadata = new MetadataArea(bytes);
      for (let slot = 0; slot < perArea && done + slot < exceptions; slot++) {
        metadata.set(slot, oldChunk, newChunk);
        newChunk = geometry.nextDataChunk(newChunk);
        oldChunk = image.order === "sequential" ? oldChunk + 1 : (oldChunk + step) % originChunks;
      }
      writeSync(fd, bytes, 0, chunkBytes, geometry.areaPosition(area));
    }
    const size = (newChunk + 2 * perArea) * chunkBytes;
    ftruncateSync(fd, size);
    return size;
  } finally {
    closeSync(fd);
  }
}
