/**
 * A second opinion on a COW device: its bytes read by the words of the format alone, with none of the product's code (S-1…S-6).
 *
 * It throws where the store breaks a rule that the kernel would trip over; `view` is what a reader of the snapshot must see.
 */
const SECTOR_BYTES = 512;
const MAGIC = 0x70416e53;

export interface DecodedStore {
  readonly state: "new" | "invalid" | "active";
  readonly chunkSectors: number;
  /** Old chunk, new chunk, in the order of the list. */
  readonly exceptions: readonly (readonly [number, number])[];
}

export function decodeStore(cow: Uint8Array, originBytes: number): DecodedStore {
  const view = new DataView(cow.buffer, cow.byteOffset, cow.byteLength);
  const [magic, valid, version, chunkSectors] = [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [
    number,
    number,
    number,
    number,
  ];
  if (magic === 0) return { state: "new", chunkSectors: 0, exceptions: [] };
  if (magic !== MAGIC || version !== 1) throw new Error("the header is none");
  if (valid === 0) return { state: "invalid", chunkSectors, exceptions: [] };
  const chunkBytes = chunkSectors * SECTOR_BYTES;
  const perArea = chunkBytes / 16;
  const chunks = Math.floor(cow.length / chunkBytes);
  const exceptions: [number, number][] = [];
  const used = new Set<number>();
  const kept = new Set<number>();
  for (let area = 0; ; area++) {
    const areaChunk = 1 + area * (perArea + 1);
    if (areaChunk >= chunks) return { state: "active", chunkSectors, exceptions };
    for (let slot = 0; slot < perArea; slot++) {
      const at = areaChunk * chunkBytes + slot * 16;
      const oldChunk = Number(view.getBigUint64(at, true));
      const newChunk = Number(view.getBigUint64(at + 8, true));
      if (newChunk === 0) return { state: "active", chunkSectors, exceptions };
      const what = `exception ${slot} of area ${area} (${oldChunk} → ${newChunk})`;
      if (newChunk >= chunks) throw new Error(`${what} is beyond the device`);
      if (newChunk % (perArea + 1) === 1) throw new Error(`${what} is on a metadata chunk`);
      if (oldChunk * chunkBytes >= originBytes) throw new Error(`${what} is beyond the origin`);
      if (kept.has(oldChunk) || used.has(newChunk)) throw new Error(`${what} comes twice`);
      kept.add(oldChunk);
      used.add(newChunk);
      exceptions.push([oldChunk, newChunk]);
    }
  }
}

/** What the snapshot shows. */
export function viewOf(store: DecodedStore, cow: Uint8Array, origin: Uint8Array): Uint8Array {
  const view = origin.slice();
  const chunkBytes = store.chunkSectors * SECTOR_BYTES;
  for (const [oldChunk, newChunk] of store.exceptions) {
    const length = Math.min(chunkBytes, origin.length - oldChunk * chunkBytes);
    view.set(cow.subarray(newChunk * chunkBytes, newChunk * chunkBytes + length), oldChunk * chunkBytes);
  }
  return view;
}
