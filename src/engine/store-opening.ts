/**
 * Opens the store of a snapshot: the COW device, its header and areas, and the exception table that they fill.
 *
 *   [make the file] ─▶ open device (exclusive) ─▶ header ─▶ areas, AREA_READ_AHEAD pieces at a time ─▶ columns ─▶ the register's word
 *   ─▶ table, runs folded
 *
 * Whether a file is made, and whether the store is the one that was asked for, is the register's to say (register/tie.ts).
 * Reads go through the page cache: nothing else runs yet. Opening writes nothing (S-36); a new store is formatted by
 * the core, through the metadata worker, when the snapshot is opened there.
 */
import { existsSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../base/abort-error.ts";
import { AREA_READ_AHEAD, HUGE_PAGES_EXCEPTIONS } from "../base/constants.ts";
import { errnoOf, hintOf, SnapringError, type ErrnoName } from "../base/errno.ts";
import { exactSize } from "../base/size-text.ts";
import { divCeil, divExact, SECTOR_BYTES } from "../base/units.ts";
import { type LoadedStore, transientStore } from "../core/loaded-store.ts";
import { type ReadRange, StoreLoader } from "../core/store-loader.ts";
import type { DeviceFile } from "../device/device-file.ts";
import { useHugePages } from "../device/huge-pages.ts";
import { makeFile } from "../device/new-file.ts";
import { type PlacedFile, placedFile, removePlaced } from "../device/placed-file.ts";
import { markInvalid } from "../register/abandon.ts";
import { signatureOf, storeOn } from "../register/blank.ts";
import { StoreDigest, type SeenStore } from "../register/store-digest.ts";
import type { OpenAs } from "../register/tie.ts";
import type { RingMode } from "../ring/worker-data.ts";
import { createTable } from "../table/table-layout.ts";
import { TableWriter } from "../table/table-writer.ts";
import { ExceptionCollector } from "./exception-collector.ts";
import { ReadAhead } from "./read-ahead.ts";
import type { SnapshotOptions } from "./volume-options.ts";
import { VolumeDevice } from "./volume-device.ts";

/** A store of more ranges than are read at a time takes its time to be read. */
const LONG = AREA_READ_AHEAD;
const ZEROES_LINE_MS = 5000;

/** What the register has to say of a store (registered-set.ts). */
export interface StoreTies {
  seen(options: SnapshotOptions): SeenStore | undefined;
  missing(options: SnapshotOptions): void;
  refuseTransient(options: SnapshotOptions): void;
  tie(
    options: SnapshotOptions,
    file: DeviceFile,
    loaded: LoadedStore,
    digest: StoreDigest,
    make: boolean,
  ): Promise<OpenAs>;
}

export interface OpenedStore {
  readonly cow: VolumeDevice;
  /** Its merge is to go on (E-36). */
  readonly merging: boolean;
  readonly loaded: LoadedStore;
  readonly tableMemory: SharedArrayBuffer;
  readonly table: TableWriter;
  /** The COW file, where it was made for it: it can go again as long as nothing is in it. */
  readonly made: PlacedFile | undefined;
}

export interface StoreSurroundings {
  readonly origin: VolumeDevice;
  /** Of the other snapshots. */
  readonly cows: readonly DeviceFile[];
  readonly direct: boolean | "auto";
  readonly readOnly: boolean;
  readonly unlocked: boolean;
  readonly mode: RingMode;
  readonly log: (line: string) => void;
  readonly ties: StoreTies;
  /** It must be a new one: a snapshot of this moment (E-40). */
  readonly make: boolean;
  /** Called while a store is read that takes its time; its chunks are known then. */
  readonly takesLong?: ((chunkBytes: number) => void) | undefined;
  /** Looked at while a file is written, or a store is read. */
  readonly stop?: AbortSignal | undefined;
}

/** Throws a SnapringError that names the COW device: what the rules S-12…S-39 refuse, ENOENT, EBUSY …; or an AbortError. */
export async function openStore(options: SnapshotOptions, around: StoreSurroundings): Promise<OpenedStore> {
  const readOnly = around.readOnly && options.store !== "N";
  const { ties } = around;
  if (options.store === "N") ties.refuseTransient(options);
  const made = await makeCowFile(options, around);
  let cow: VolumeDevice | undefined;
  try {
    cow = new VolumeDevice({
      path: options.cow,
      what: "COW device",
      readOnly,
      unlocked: around.unlocked,
      direct: around.direct,
      origin: around.origin.file,
      cows: around.cows,
    });
    if (cow.lockWarning !== undefined) around.log(cow.lockWarning);
    if (made === undefined) sayOtherSize(options, cow, around.log);
    const found = new ExceptionCollector(exceptionsMax(options, cow));
    const digest = new StoreDigest(ties.seen(options));
    const isTransient = options.store === "N";
    const read = isTransient ? transient(options, cow) : await load(options, cow, around, found, true, digest);
    for (const warning of read.warnings) around.log(`${options.cow}: ${warning}`);
    const as = isTransient ? "new" : await ties.tie(options, cow.file, read, digest, around.make);
    // What the register calls Invalid is Invalid, also where its header could not be written then (S-70).
    const loaded: LoadedStore = as === "invalid" ? { ...read, state: "invalid" } : read;
    if (as === "invalid" && read.state === "active" && !readOnly) markInvalid(cow.file);
    const originBytes = around.origin.file.sizeBytes;
    const chunkBytes = loaded.chunkSectors * SECTOR_BYTES;
    // Chunks must be whole device blocks, also the last one, which the end of the origin may cut.
    if (chunkBytes % cow.align !== 0 || originBytes % cow.align !== 0) cow.useBuffered();
    const originChunks = divCeil(originBytes, chunkBytes);
    const tableMemory = createTable({ originChunks });
    if (loaded.exceptions >= HUGE_PAGES_EXCEPTIONS) useHugePages(tableMemory);
    const table = new TableWriter(tableMemory);
    if (table.loadSettled(found.take()) !== -1) {
      // Read once more, by the loader that can name the place of an old chunk that is there twice (S-38).
      await load(options, cow, around, new ExceptionCollector(), false);
      throw new SnapringError("EIO", "corrupt snapshot: it changed while it was read");
    }
    return { cow, loaded, merging: as === "merging", tableMemory, table, made };
  } catch (error) {
    cow?.close();
    removeMade({ made });
    throw withPath(options.cow, error);
  }
}

/** A COW file that was made for a snapshot that is not to be. */
export function removeMade({ made }: Pick<OpenedStore, "made">): void {
  if (made !== undefined) removePlaced(made);
}

/** Undefined: it was there already. */
async function makeCowFile(
  options: SnapshotOptions,
  { ties, log, stop }: StoreSurroundings,
): Promise<PlacedFile | undefined> {
  if (existsSync(options.cow)) return undefined;
  ties.missing(options);
  const { cow, size = 0 } = options;
  const progress = zeroesLine(options, log);
  try {
    await makeFile(cow, size, options.sparse === true ? "sparse" : "reserved", { progress, stop });
  } catch (error) {
    throwIfAborted(stop);
    throw error;
  }
  return placedFile(cow);
}

/** `size` is for a file that is made; who gave another one than the store has may believe that it counts. */
function sayOtherSize({ cow: path, size }: SnapshotOptions, { file }: VolumeDevice, log: (line: string) => void): void {
  if (size === undefined || size === file.sizeBytes) return;
  log(
    `${path} exists and has ${exactSize(file.sizeBytes)}; the size that was given (${exactSize(size)}) is for a file that is made`,
  );
}

/** Nobody shall wonder what an opening waits for: said at once, then now and then. */
function zeroesLine({ cow, size = 0 }: SnapshotOptions, log: (line: string) => void): (bytes: number) => void {
  let next = Number.NEGATIVE_INFINITY;
  return (bytes) => {
    const now = performance.now();
    if (now < next) return;
    next = now + ZEROES_LINE_MS;
    const share = `${Math.floor((100 * bytes) / size)} % of ${exactSize(size)}`;
    log(`${cow}: its file system cannot reserve space, so zeroes are written: ${share}`);
  };
}

/** How many exceptions the store may hold: as many as there are chunks of the smallest size that it may have. */
function exceptionsMax(options: SnapshotOptions, cow: VolumeDevice): number {
  return Math.ceil(cow.file.sizeBytes / Math.max(SECTOR_BYTES, options.chunkSize ?? 0));
}

function transient(options: SnapshotOptions, cow: VolumeDevice): LoadedStore {
  const content = storeOn(cow.file) ?? signatureOf(cow.file);
  if (content !== undefined) {
    throw new SnapringError("EEXIST", `COW device ${options.cow} ${content}: a store in memory would overwrite it`, {
      hint: "name a blank file or device",
    });
  }
  return transientStore(
    divExact(options.chunkSize as number, SECTOR_BYTES),
    divExact(cow.file.sizeBytes, SECTOR_BYTES),
  );
}

async function load(
  options: SnapshotOptions,
  cow: VolumeDevice,
  { origin, mode, takesLong, stop }: StoreSurroundings,
  found: ExceptionCollector,
  sinkFindsDuplicates: boolean,
  digest?: StoreDigest,
): Promise<LoadedStore> {
  const loader = new StoreLoader(
    {
      cowBytes: cow.file.sizeBytes,
      chunkSectors: divExact(options.chunkSize ?? 0, SECTOR_BYTES),
      blocks: { cow: cow.file.logicalBlockBytes, origin: origin.file.logicalBlockBytes },
      originSectors: origin.file.sectors,
      sinkFindsDuplicates,
    },
    (oldChunk, newChunk) => {
      found.add(oldChunk, newChunk);
      digest?.add(oldChunk, newChunk);
    },
  );
  feedHeader(loader, cow.file);
  const { wanted } = loader;
  if (wanted === undefined) return loader.result();
  const reads = new ReadAhead(cow.file.fd, wanted.length, AREA_READ_AHEAD, mode);
  try {
    for (let read = 1; loader.wanted !== undefined; read++) {
      if (reads.wantsMore) beginMore(reads, loader);
      const bytes = reads.next();
      loader.feed(typeof bytes === "number" ? loader.fail(bytes) : bytes);
      if (read === LONG) takesLong?.(loader.chunkBytes);
      // Whoever embeds this has other things to do as well.
      if (read % AREA_READ_AHEAD !== 0) continue;
      await setImmediate();
      throwIfAborted(stop);
    }
    return loader.result();
  } finally {
    reads.close();
  }
}

function feedHeader(loader: StoreLoader, file: DeviceFile): void {
  const { position, length } = loader.wanted as ReadRange;
  const bytes = new Uint8Array(length);
  try {
    file.read(position, bytes);
  } catch (error) {
    loader.fail(errnoOf(error));
  }
  loader.feed(bytes);
}

function beginMore(reads: ReadAhead, loader: StoreLoader): void {
  while (reads.hasRoom) {
    const range = loader.ahead(reads.underWay);
    if (range === undefined) return;
    reads.begin(range.position);
  }
}

function withPath(path: string, error: unknown): unknown {
  if (!(error instanceof SnapringError) || error.message.includes(path)) return error;
  return new SnapringError(error.code as ErrnoName, `${path}: ${error.message}`, { hint: hintOf(error), cause: error });
}
