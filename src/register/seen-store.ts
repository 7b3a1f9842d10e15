/**
 * Reads what an open store has in its list, from what was last seen of it to the end: what the register remembers when a volume
 * closes, or a merge has left.
 *
 * For stores at rest, or as far as nobody changes the list any more. It reads areas, in order and the large ones in pieces, without blocking the thread.
 */
import { divExact, divFloor, SECTOR_BYTES } from "../base/units.ts";
import { fileCalls } from "../device/file-calls.ts";
import { CowGeometry } from "../format/cow-geometry.ts";
import { MetadataArea } from "../format/metadata-area.ts";
import { StoreDigest, type SeenStore } from "./store-digest.ts";

export const NOTHING_SEEN: SeenStore = new StoreDigest().seen;

export interface StoreAtRest {
  readonly fd: number;
  readonly cowBytes: number;
  readonly chunkBytes: number;
}

/**
 * The state of its list now, of `most` exceptions at most: what is behind them may be under way. Throws a system error where an area
 * cannot be read.
 */
export async function seeStore(
  store: StoreAtRest,
  from: SeenStore = NOTHING_SEEN,
  most = Number.POSITIVE_INFINITY,
): Promise<SeenStore> {
  const digest = StoreDigest.after(from);
  await readOn(store, digest, from.exceptions, most);
  return digest.seen;
}

/** The digest of the whole list, which says whether it begins with what was `wanted`. */
export async function digestStore(store: StoreAtRest, wanted: SeenStore | undefined): Promise<StoreDigest> {
  const digest = new StoreDigest(wanted);
  await readOn(store, digest, 0);
  return digest;
}

async function readOn(
  { fd, cowBytes, chunkBytes }: StoreAtRest,
  digest: StoreDigest,
  first: number,
  most = Number.POSITIVE_INFINITY,
): Promise<void> {
  let left = most - first;
  const geometry = new CowGeometry(divExact(chunkBytes, SECTOR_BYTES));
  const { areaPieceBytes } = geometry;
  const cowSectors = divFloor(cowBytes, SECTOR_BYTES);
  const bytes = Buffer.alloc(areaPieceBytes);
  const metadata = new MetadataArea(bytes);
  const piecesPerArea = divExact(chunkBytes, areaPieceBytes);
  for (let piece = divFloor(first, metadata.slots), slot = first % metadata.slots; ; piece++, slot = 0) {
    const area = divFloor(piece, piecesPerArea);
    if (!geometry.areaFits(area, cowSectors)) return;
    const position = geometry.areaPosition(area) + (piece % piecesPerArea) * areaPieceBytes;
    const { bytesRead } = await fileCalls().read(fd, bytes, 0, areaPieceBytes, position);
    if (bytesRead < areaPieceBytes) return;
    for (; slot < metadata.slots; slot++) {
      if (left-- <= 0 || metadata.newChunk(slot) === 0) return;
      digest.add(metadata.oldChunk(slot), metadata.newChunk(slot));
    }
  }
}
