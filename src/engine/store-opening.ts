/**
 * Opens the store of a snapshot: the COW device, its header and areas, and the exception table that they fill.
 *
 *   main              ┌─▶ may it be made? ─┐              ┌─▶ remarks ─┐      ┌─▶ register's word ─┐         ┌─▶ the table is main's
 *   opening thread    look                 └─▶ make, open ┘            └▶ read ┘                   └─▶ build ┘
 *                     is it there?                   lock                 header, areas                runs folded
 *
 * Main waits for none of it, and serves others meanwhile; it alone owns what is opened, and closes it where the opening fails. Whether a file is made, and
 * whether the store is the one that was asked for, is the register's to say (register/tie.ts). Opening writes nothing (S-36), unless the register calls the
 * store Invalid; a new store is formatted by the core, through the metadata worker, when the snapshot is opened there.
 */
import { MessageChannel } from "node:worker_threads";
import { throwIfAborted } from "../base/abort-error.ts";
import { OPENING_GRACE_MS } from "../base/constants.ts";
import { type ErrnoName, hintOf, SnapringError } from "../base/errno.ts";
import { exactSize } from "../base/size-text.ts";
import { divCeil, divExact, SECTOR_BYTES } from "../base/units.ts";
import { type LoadedStore, transientStore } from "../core/loaded-store.ts";
import type { DeviceFile } from "../device/device-file.ts";
import type { PlacedFile } from "../device/placed-file.ts";
import type { StorePlace } from "../opening/register-tasks.ts";
import type { ReadStore } from "../register/known-store.ts";
import type { DigestWord } from "../register/store-digest.ts";
import type { Known, OpenAs } from "../register/tie.ts";
import type { RingMode } from "../ring/worker-data.ts";
import { createTable } from "../table/table-layout.ts";
import { TableWriter } from "../table/table-writer.ts";
import type { Openings } from "./opening-pool.ts";
import { policyOf } from "./room-options.ts";
import { refuseGrowth } from "./store-growth.ts";
import { StoreLoad } from "./store-load.ts";
import type { SnapshotOptions } from "./volume-options.ts";
import { VolumeDevice } from "./volume-device.ts";

const ZEROES_LINE_MS = 5000;
const REMOVAL_MS: number = 3 * OPENING_GRACE_MS;

/** What the register has to say of a store (registered-set.ts). */
export interface StoreTies {
  /** What stands at its path, and what is known of that. */
  look(options: SnapshotOptions, stop: AbortSignal | undefined): Promise<StorePlace>;
  /** Nothing stands there. Throws a SnapringError where it may not be made. */
  missing(options: SnapshotOptions, known: Known | undefined): void;
  /** Throws a SnapringError (EBUSY): a store in memory is not to take the place of that one. */
  refuseTransient(known: Known | undefined): void;
  tie(options: SnapshotOptions, read: StoreRead, how: Pick<StoreSurroundings, "make" | "stop">): Promise<OpenAs>;
}

/** A store that is open, and what was read of it. */
export interface StoreRead {
  readonly cow: VolumeDevice;
  readonly read: ReadStore;
  readonly digest: DigestWord;
}

interface FilledTable {
  /** Its merge is to go on (E-36). */
  readonly merging: boolean;
  readonly loaded: LoadedStore;
  readonly tableMemory: SharedArrayBuffer;
  readonly table: TableWriter;
}

export interface OpenedStore extends FilledTable {
  readonly cow: VolumeDevice;
  /** The COW file, where it was made for it: it can go again as long as nothing is in it. */
  readonly made: PlacedFile | undefined;
}

export interface StoreSurroundings {
  readonly openings: Openings;
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
  /** Called while a store is read that takes its time. */
  readonly takesLong?: (() => void) | undefined;
  /** Looked at while a file is written, or a store is read. */
  readonly stop?: AbortSignal | undefined;
}

/** Throws a SnapringError that names the COW device: what the rules S-12…S-39 refuse, ENOENT, EBUSY …; or an AbortError. */
export async function openStore(options: SnapshotOptions, around: StoreSurroundings): Promise<OpenedStore> {
  const { isThere, known } = await around.ties.look(options, around.stop);
  if (options.store === "N") around.ties.refuseTransient(known);
  if (!isThere) around.ties.missing(options, known);
  const made = isThere ? undefined : await makeCowFile(options, around);
  let cow: VolumeDevice | undefined;
  try {
    cow = await openCow(options, around);
    refuseGrowth(policyOf(options), cow.file);
    if (cow.lockWarning !== undefined) around.log(cow.lockWarning);
    if (made === undefined) sayOtherSize(options, cow, around.log);
    const isTransient = options.store === "N";
    const filled = await (isTransient ? openTransient(options, cow, around) : fillTable(options, cow, known, around));
    const originBytes = around.origin.file.sizeBytes;
    const chunkBytes = filled.loaded.chunkSectors * SECTOR_BYTES;
    // Chunks must be whole device blocks, also the last one, which the end of the origin may cut.
    if (chunkBytes % cow.align !== 0 || originBytes % cow.align !== 0)
      await cow.useBuffered(around.openings, around.stop);
    return { ...filled, cow, made };
  } catch (error) {
    cow?.close();
    await removeMade({ made }, around.openings);
    throw withPath(options.cow, error);
  }
}

function openCow(options: SnapshotOptions, around: StoreSurroundings): Promise<VolumeDevice> {
  const { openings, unlocked, direct, origin, cows, stop } = around;
  const readOnly = isReadOnly(options, around);
  const order = { path: options.cow, what: "COW device", readOnly, unlocked, direct, origin: origin.file, cows };
  return VolumeDevice.open(openings, order, stop);
}

function isReadOnly({ store }: SnapshotOptions, { readOnly }: StoreSurroundings): boolean {
  return readOnly && store !== "N";
}

/** The store that is there, or that is to be made, and its table. */
async function fillTable(
  options: SnapshotOptions,
  cow: VolumeDevice,
  known: Known | undefined,
  around: StoreSurroundings,
): Promise<FilledTable> {
  const { openings, origin, mode, ties, log, make, takesLong, stop } = around;
  const { sectors, logicalBlockBytes } = origin.file;
  const order = {
    file: cow.file,
    chunkSectors: divExact(options.chunkSize ?? 0, SECTOR_BYTES),
    origin: { sectors, logicalBlockBytes },
    seen: known?.entry.state === "invalid" ? undefined : known?.entry.seen,
    mode,
  };
  const load = await StoreLoad.begin(openings, order, { takesLong, stop, uses: cow });
  try {
    const { loaded: read, digest, content } = load.found;
    for (const warning of read.warnings) log(`${options.cow}: ${warning}`);
    const as = await ties.tie(options, { cow, read: { ...read, content }, digest }, { make, stop });
    // What the register calls Invalid is Invalid, also where its header could not be written then (S-70).
    const loaded: LoadedStore = as === "invalid" ? { ...read, state: "invalid" } : read;
    const tableMemory = newTable(loaded, origin);
    const table = await load.build(tableMemory, as === "invalid" && !isReadOnly(options, around));
    throwIfAborted(stop);
    return { loaded, merging: as === "merging", tableMemory, table };
  } finally {
    await load.end();
  }
}

/** A store whose exceptions live in memory only, on a device with nothing on it. */
async function openTransient(
  options: SnapshotOptions,
  cow: VolumeDevice,
  { openings, origin, stop }: StoreSurroundings,
): Promise<FilledTable> {
  const content = await openings.run("signature", cow.file, { stop, uses: cow });
  if (content !== undefined) {
    throw new SnapringError("EEXIST", `COW device ${options.cow} ${content}: a store in memory would overwrite it`, {
      hint: "name a blank file or device",
    });
  }
  const chunkSectors = divExact(options.chunkSize as number, SECTOR_BYTES);
  const loaded = transientStore(chunkSectors, divExact(cow.file.sizeBytes, SECTOR_BYTES));
  const tableMemory = newTable(loaded, origin);
  return { loaded, merging: false, tableMemory, table: new TableWriter(tableMemory) };
}

function newTable({ chunkSectors }: LoadedStore, { file }: VolumeDevice): SharedArrayBuffer {
  return createTable({ originChunks: divCeil(file.sizeBytes, chunkSectors * SECTOR_BYTES) });
}

/** A COW file that was made for a snapshot that is not to be. It stays where its file system does not answer, or refuses. */
export async function removeMade({ made }: Pick<OpenedStore, "made">, openings: Openings): Promise<void> {
  if (made === undefined) return;
  const stop = AbortSignal.timeout(REMOVAL_MS);
  await openings.run("takeAway", made, { urgent: true, stop }).catch(() => {});
}

/** Undefined: somebody has taken it away again. */
async function makeCowFile(
  options: SnapshotOptions,
  { openings, log, stop }: StoreSurroundings,
): Promise<PlacedFile | undefined> {
  const { cow: path, size: bytes = 0, sparse, written } = options;
  const { port1, port2 } = new MessageChannel();
  const progress = zeroesLine(options, log);
  port1.on("message", (done: number) => progress(done));
  const late = (made: PlacedFile | undefined): void => void removeMade({ made }, openings);
  try {
    const order = {
      path,
      bytes,
      space: sparse === true ? "sparse" : written === true ? "written" : "reserved",
    } as const;
    return await openings.run("makeCowFile", order, { port: port2, stop, late });
  } finally {
    port1.close();
  }
}

/** `size` is for a file that is made; who gave another one than the store has may believe that it counts. */
function sayOtherSize({ cow: path, size }: SnapshotOptions, { file }: VolumeDevice, log: (line: string) => void): void {
  if (size === undefined || size === file.sizeBytes) return;
  log(
    `${path} exists and has ${exactSize(file.sizeBytes)}; the size that was given (${exactSize(size)}) is for a file that is made`,
  );
}

/** Nobody shall wonder what an opening waits for: said at once, then now and then. */
function zeroesLine({ cow, size = 0, written }: SnapshotOptions, log: (line: string) => void): (bytes: number) => void {
  const what = written === true ? "every block is" : "its file system cannot reserve space, so zeroes are";
  let next = Number.NEGATIVE_INFINITY;
  return (bytes) => {
    const now = performance.now();
    if (now < next) return;
    next = now + ZEROES_LINE_MS;
    const share = `${Math.floor((100 * bytes) / size)} % of ${exactSize(size)}`;
    log(`${cow}: ${what} written: ${share}`);
  };
}

function withPath(path: string, error: unknown): unknown {
  if (!(error instanceof SnapringError) || error.message.includes(path)) return error;
  return new SnapringError(error.code as ErrnoName, `${path}: ${error.message}`, { hint: hintOf(error), cause: error });
}
