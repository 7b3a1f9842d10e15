/**
 * What an export holds, as one number per sector: the version of its content, from which the bytes follow. 0 is zeroes.
 *
 *   sector s, version v     16 bytes: v, s, mix(v, s), ~v      32 times
 *
 * A sector that is read tells by itself which version it is, so that a failure says what was found instead.
 */
export const SECTOR = 512;
const WORDS = 4;
const BLOCK_BYTES = 4 * WORDS;

export class SectorModel {
  readonly versions: Uint32Array;

  constructor(sectors: number, from?: SectorModel) {
    this.versions = from === undefined ? new Uint32Array(sectors) : Uint32Array.from(from.versions);
  }

  fill(first: number, count: number, version: number): void {
    this.versions.fill(version, first, first + count);
  }

  /** Throws where `bytes`, read at sector `first`, is not what it holds. */
  check(first: number, bytes: Buffer, where: string): void {
    for (let i = 0; i < bytes.length / SECTOR; i++) {
      const found = versionIn(bytes, i, first + i);
      const expected = this.versions[first + i]!;
      if (found !== expected)
        throw new Error(`${where}: sector ${first + i} is ${said(found)}, not version ${expected}`);
    }
  }

  /** Take what was read, where each sector is one of those that `allowed` names for it. */
  learn(first: number, bytes: Buffer, allowed: (sector: number) => ReadonlySet<number>, where: string): void {
    for (let i = 0; i < bytes.length / SECTOR; i++) {
      const found = versionIn(bytes, i, first + i);
      const may = allowed(first + i);
      if (!may.has(found))
        throw new Error(`${where}: sector ${first + i} is ${said(found)}, not one of ${[...may].join(", ")}`);
      this.versions[first + i] = found;
    }
  }
}

/** The bytes of sectors `first` … of one version. */
export function sectorBytes(first: number, count: number, version: number): Buffer {
  const bytes = Buffer.alloc(count * SECTOR);
  if (version === 0) return bytes;
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let i = 0; i < count; i++) {
    writeBlock(block, version, first + i);
    bytes.fill(block, i * SECTOR, (i + 1) * SECTOR);
  }
  return bytes;
}

/** -1: no version of this sector. */
function versionIn(bytes: Buffer, index: number, sector: number): number {
  const at = index * SECTOR;
  const part = bytes.subarray(at, at + SECTOR);
  const version = part.readUInt32LE(0);
  return part.equals(sectorBytes(sector, 1, version)) ? version : -1;
}

function writeBlock(block: Buffer, version: number, sector: number): void {
  block.writeUInt32LE(version, 0);
  block.writeUInt32LE(sector, 4);
  block.writeUInt32LE(Math.imul(version ^ (sector * 31), 0x9e3779b9) >>> 0, 8);
  block.writeUInt32LE(~version >>> 0, 12);
}

function said(version: number): string {
  return version === -1 ? "no version of it" : `version ${version}`;
}
