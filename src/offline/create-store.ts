/**
 * Makes a new, empty store on a file or block device (S-31), and destroys nothing by mistake.
 *
 *   (forced: zero what stood there) → flush → zero area 0 → flush → header → flush
 *
 * In this order a crash leaves either no store or a whole one. Everything is checked before the first write; a file that this
 * call made is removed again if it fails. A device that is not blank at its beginning, a store or anything else, is refused
 * unless forced. The data chunks are left as they are: no exception points to them.
 */
import { fstatSync, fsyncSync, ftruncateSync, rmSync, statSync } from "node:fs";
import { SnapringError } from "../base/errno.ts";
import { exactSize, formatSize } from "../base/size-text.ts";
import { shellQuoted } from "../base/printable.ts";
import { SECTOR_BYTES, type Sector } from "../base/units.ts";
import { resolveChunkSize } from "../format/chunk-size.ts";
import { CowGeometry, FIRST_DATA_CHUNK } from "../format/cow-geometry.ts";
import { encodeHeader } from "../format/disk-header.ts";
import { formatStatus } from "../format/status-line.ts";
import { DeviceFile, writeMode } from "../device/device-file.ts";
import { type FileSpace, makeFile, type NewFileOptions } from "../device/new-file.ts";
import { systemError } from "../device/system-error.ts";
import { contentOf } from "../register/blank.ts";
import { identityOfStore, ownMark, withMarked } from "../register/known-store.ts";
import { type Mark, newId, writeMark } from "../register/mark.ts";
import { claimOf } from "../register/claim.ts";

/** The header is 16 bytes; it is written with as much of its chunk as the page cache would read for it. */
const HEADER_BLOCK_BYTES = 4096;

/** Header, area 0 and one chunk of data: less can store nothing. */
const CHUNKS_MIN = FIRST_DATA_CHUNK + 1;

export interface CreateStoreOptions {
  readonly cow: string;
  /** Sectors of the file; not for a block device. */
  readonly sectors?: Sector | undefined;
  /** 0 or left out: the default (S-16). */
  readonly chunkSectors?: Sector | undefined;
  /** The device that will be snapshotted, if it is known: its block size counts, and it must be another one. */
  readonly origin?: string | undefined;
  readonly force?: boolean | undefined;
  /** How the file that is made gets its space; reserved if it is not said. */
  readonly space?: FileSpace | undefined;
  /** Go on where nothing can be locked. */
  readonly unlocked?: boolean | undefined;
  /** Is told how much of a file that has to be written is. */
  readonly progress?: NewFileOptions["progress"];
  readonly stop?: NewFileOptions["stop"];
  readonly begun?: NewFileOptions["begun"];
}

export interface CreatedStore {
  readonly chunkSectors: Sector;
  readonly totalSectors: Sector;
  /** As the status line of the new snapshot (S-72). */
  readonly status: string;
}

/** Throws a SnapringError; then nothing on disk has changed, unless it was a write that failed. */
export async function createStore(options: CreateStoreOptions): Promise<CreatedStore> {
  const origin = options.origin === undefined ? undefined : DeviceFile.open(options.origin, "look", "origin");
  try {
    const exists = statSync(options.cow, { throwIfNoEntry: false }) !== undefined;
    return exists ? createOnDevice(options, origin) : await createFile(options, origin);
  } finally {
    origin?.[Symbol.dispose]();
  }
}

function createOnDevice(options: CreateStoreOptions, origin: DeviceFile | undefined): CreatedStore {
  const cow = DeviceFile.open(options.cow, writeMode(options.unlocked), "COW file", origin);
  try {
    const sectors = sectorsOf(cow, options);
    const geometry = checkedGeometry(options, sectors, cow.logicalBlockBytes, origin?.logicalBlockBytes);
    if (options.force !== true) refuseContent(cow, geometry);
    const fits = sectors === cow.sectors && (cow.tailBytes === 0 || options.sectors === undefined);
    if (fits) return format(cow, geometry, options.force === true);
    resize(cow, sectors * SECTOR_BYTES);
  } finally {
    cow[Symbol.dispose]();
  }
  // Now it has its size: open it again as it is.
  return createOnDevice(options, origin);
}

async function createFile(options: CreateStoreOptions, origin: DeviceFile | undefined): Promise<CreatedStore> {
  if (options.sectors === undefined) {
    throw new SnapringError("EUSAGE", `COW file ${options.cow} does not exist`, {
      hint: "say how large it is to be: --size",
    });
  }
  const geometry = checkedGeometry(options, options.sectors, SECTOR_BYTES, origin?.logicalBlockBytes);
  await makeFile(options.cow, options.sectors * SECTOR_BYTES, options.space ?? "reserved", options);
  try {
    const cow = DeviceFile.open(options.cow, writeMode(options.unlocked), "COW file");
    try {
      return format(cow, geometry, false);
    } finally {
      cow[Symbol.dispose]();
    }
  } catch (error) {
    rmSync(options.cow, { force: true });
    throw error;
  }
}

/** The size that the store will have; a block device has the one that it has. */
function sectorsOf(cow: DeviceFile, options: CreateStoreOptions): Sector {
  const wanted = options.sectors ?? cow.sectors;
  if (wanted === cow.sectors) return wanted;
  if (cow.isBlockDevice) {
    throw new SnapringError("EINVAL", `block device ${cow.path} has ${exactSize(cow.sizeBytes)} and no other size`, {
      hint: "leave out --size",
    });
  }
  if (wanted < cow.sectors && options.force !== true) {
    throw new SnapringError("EEXIST", `COW file ${cow.path} exists and is larger: ${exactSize(cow.sizeBytes)}`, {
      hint: "--force cuts it",
    });
  }
  return wanted;
}

function checkedGeometry(
  options: CreateStoreOptions,
  sectors: Sector,
  cowBlock: number,
  originBlock: number | undefined,
): CowGeometry {
  const chunkSectors = resolveChunkSize(options.chunkSectors ?? 0, { cow: cowBlock, origin: originBlock });
  if (sectors < CHUNKS_MIN * chunkSectors) {
    throw new SnapringError(
      "EINVAL",
      `${options.cow}: a COW file of ${exactSize(sectors * SECTOR_BYTES)} is too small for chunks of ${formatSize(chunkSectors * SECTOR_BYTES)}`,
      {
        hint: `it needs ${CHUNKS_MIN} chunks at least: ${formatSize(CHUNKS_MIN * chunkSectors * SECTOR_BYTES)}`,
      },
    );
  }
  return new CowGeometry(chunkSectors);
}

/**
 * A store that a register knows as a good one is not made anew, not even by force: its origin would go on without it. Throws a
 * SnapringError (EBUSY).
 */
export async function refuseRegistered(cow: string): Promise<void> {
  const stat = statSync(cow, { throwIfNoEntry: false });
  if (stat === undefined || (!stat.isFile() && !stat.isBlockDevice())) return;
  using file = DeviceFile.open(cow, "look", "COW file");
  const mark = ownMark(file);
  if ((await claimOf(mark, undefined, fstatSync(file.fd).uid)) !== "stands") return;
  throw new SnapringError(
    "EBUSY",
    `COW file ${cow} is the store of snapshot '${mark?.name}', registered in ${mark?.register}`,
    {
      hint: `give that snapshot up first: snapring serve ORIGIN --abandon ${shellQuoted(mark?.name ?? "NAME")}`,
    },
  );
}

function refuseContent(cow: DeviceFile, geometry: CowGeometry): void {
  const what = contentOf(cow, FIRST_DATA_CHUNK * geometry.chunkBytes);
  if (what === undefined) return;
  throw new SnapringError("EEXIST", `COW file ${cow.path} ${what}`, {
    hint: "--force overwrites it; its content is lost",
  });
}

function format(cow: DeviceFile, geometry: CowGeometry, overContent: boolean): CreatedStore {
  const { chunkBytes, chunkSectors } = geometry;
  // The old header must be gone before the list behind it is.
  if (overContent) cow.writeZeroes(0, chunkBytes);
  // And one that was blank when it was read may be so in a cache only, by somebody who was killed (C-49).
  cow.sync();
  cow.writeZeroes(geometry.areaPosition(0), chunkBytes);
  cow.sync();
  // What is behind this block in the chunk is zero: it was found so, or has been made so.
  cow.write(
    0,
    encodeHeader(true, chunkSectors, Math.min(chunkBytes, Math.max(HEADER_BLOCK_BYTES, cow.logicalBlockBytes))),
  );
  cow.sync();
  // Another store than the one that was here: what a register says of that is not said of this.
  const mark: Mark = { role: "cow", self: identityOfStore(cow), register: "", id: "", store: newId() };
  withMarked(cow, (fd) => writeMark(fd, mark));
  const allocatedSectors = FIRST_DATA_CHUNK * chunkSectors;
  const usage = { allocatedSectors, totalSectors: cow.sectors, metadataSectors: allocatedSectors };
  const status = formatStatus({ invalid: false, mergeFailed: false, overflow: false, usage });
  return { chunkSectors, totalSectors: cow.sectors, status };
}

function resize(cow: DeviceFile, bytes: number): void {
  try {
    ftruncateSync(cow.fd, bytes);
    fsyncSync(cow.fd);
  } catch (error) {
    throw systemError(error, `cannot resize COW file ${cow.path}`);
  }
}
