/**
 * What options must look like: one schema of what volume-options.ts describes, for the library and what the command line passes on.
 *
 *   options of anybody ─▶ schema: types, bounds, names ─▶ rules between options ─▶ a copy that is what its type says
 *
 * Nothing has been opened then. What depends on devices (sizes, stores, the register) is refused where they are opened.
 */
import * as v from "valibot";
import {
  BUSY_POLL_US_MAX,
  GROUP_COUNT_MAX,
  GROUP_WAIT_MS_MAX,
  MAX_EXPORT_NAME_BYTES,
  MAX_EXPORT_WORKERS,
  MAX_SNAPSHOTS,
  STALL_SECONDS_MAX,
} from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import { isPowerOfTwo, SECTOR_BYTES } from "../base/units.ts";
import { STORE_KINDS, type StoreKind } from "../format/table-line.ts";
import type { GroupMember } from "./created.ts";
import type { ListenAddress } from "./listen-address.ts";
import { optionError, received } from "./option-error.ts";
import { address, givenNumber, list, number, run, text, whole, wrong } from "./schema-parts.ts";
import type {
  AbortOptions,
  CreateOptions,
  EngineOptions,
  EngineVolumeOptions,
  GrowOptions,
  GrowthOptions,
  MergeOptions,
  SnapshotOptions,
  SnapshotPolicy,
  VolumeOptions,
} from "./volume-options.ts";

const CHUNK_BYTES_MAX: number = 2 ** 30;
const STALL_SECONDS_MIN = 0.001;
const MAX_PAUSE_MS = 3_600_000;
const OVERFLOWS_NOT = 'cannot be "overflow" with a store in memory (N), which has no such state';
const VOLUME_NAME_BYTES_MAX = 255;
/** Rights of owner, group and others. */
const MODE_MAX = 0o777;
/** The largest number means "no group" to the kernel. */
const GROUP_NUMBER_MAX: number = 2 ** 32 - 2;

const MERGE_PERCENT = "must be a number from 1 to 100";

function mergePercentFault(value: number): string | undefined {
  return value >= 1 && value <= 100 ? undefined : MERGE_PERCENT;
}

/** Why no snapshot can be called so; undefined: one can. */
export function nameFault(name: string): string | undefined {
  if (name === "" || name === "origin") return `cannot be ${received(name)}: that is the live volume`;
  if (Buffer.byteLength(name) > MAX_EXPORT_NAME_BYTES) return `is too long: at most ${MAX_EXPORT_NAME_BYTES} bytes`;
  if (name.includes("\0") || !name.isWellFormed())
    return "must be text without zero bytes, for clients ask for it in UTF-8";
  return undefined;
}

/** Why no volume of an engine can be called so; undefined: one can. */
export function volumeNameFault(name: string): string | undefined {
  if (name === "") return "cannot be empty";
  if (name.includes("@")) return "has an @, which divides the name of a volume from that of a snapshot";
  if (Buffer.byteLength(name) > VOLUME_NAME_BYTES_MAX) return `is too long: at most ${VOLUME_NAME_BYTES_MAX} bytes`;
  if (name.includes("\0") || !name.isWellFormed())
    return "must be text without zero bytes, for clients ask for it in UTF-8";
  return undefined;
}

/** Why no store has chunks of so many bytes; undefined: one may have. */
export function chunkBytesFault(bytes: number): string | undefined {
  if (isPowerOfTwo(bytes) && bytes >= SECTOR_BYTES && bytes <= CHUNK_BYTES_MAX) return undefined;
  return `must be a power of two from ${SECTOR_BYTES} to ${CHUNK_BYTES_MAX} (bytes)`;
}

const path = text("must be a path", (value) =>
  value === "" || value.includes("\0") ? "must be a path, neither empty nor with a zero byte" : undefined,
);
const name = text("must be a string", nameFault);
const flag = v.optional(v.boolean("must be true or false"));

const givenBytes = givenNumber("must be a number of bytes", (value) =>
  Number.isSafeInteger(value) && value > 0 && value % SECTOR_BYTES === 0
    ? undefined
    : `must be a number of bytes, a multiple of ${SECTOR_BYTES}`,
);
const bytes = v.optional(givenBytes);
const growth = v.strictObject(
  { by: givenBytes, at: whole(1, 99), max: bytes } satisfies Record<keyof GrowOptions, v.GenericSchema>,
  "must be an object",
);
const whenFull = v.optional(
  v.picklist(["invalidate", "overflow", "stall"], 'must be "invalidate", "overflow" or "stall"'),
);
const stallSeconds = number("must be a number of seconds", (value) =>
  value >= STALL_SECONDS_MIN && value <= STALL_SECONDS_MAX
    ? undefined
    : `must be a number of seconds from ${STALL_SECONDS_MIN} to ${STALL_SECONDS_MAX}`,
);

const snapshot = v.strictObject(
  {
    name,
    cow: path,
    chunkSize: number("must be a number of bytes", chunkBytesFault),
    store: v.optional(v.picklist(STORE_KINDS, 'must be "P", "PO" or "N"')),
    size: bytes,
    grow: v.optional(growth),
    whenFull,
    stallSeconds,
    sparse: flag,
    written: flag,
    readOnly: flag,
    force: flag,
    discardZeroesCow: flag,
    discardPassdownOrigin: flag,
  } satisfies Record<keyof SnapshotOptions, v.GenericSchema>,
  "must be an object",
);

const members = v.strictObject({
  members: v.pipe(
    v.array(
      v.strictObject(
        { volume: text("must be a string", volumeNameFault), snapshot } satisfies Record<
          keyof GroupMember,
          v.GenericSchema
        >,
        "must be an object",
      ),
      "must be an array of objects, one for each snapshot",
    ),
    v.check((all) => all.length > 0, "must name a snapshot"),
  ),
});

const policy = v.strictObject(
  { grow: v.nullish(growth), whenFull, stallSeconds: v.nullish(stallSeconds) } satisfies Record<
    keyof SnapshotPolicy,
    v.GenericSchema
  >,
  "must be an object",
);
const growing = v.strictObject(
  { size: bytes } satisfies Record<keyof GrowthOptions, v.GenericSchema>,
  "must be an object",
);

const THREADS = {
  io: v.optional(v.picklist(["auto", "uring", "sync"], 'must be "auto", "uring" or "sync"')),
  workers: whole(1, MAX_EXPORT_WORKERS),
  copyWorkers: whole(1, MAX_EXPORT_WORKERS),
  busyPoll: whole(0, BUSY_POLL_US_MAX),
};
const GROUP = "must be the name or the number of a group";
const LISTEN = {
  listen: list(address(), "must be an array of addresses"),
  socketMode: whole(0, MODE_MAX),
  socketGroup: v.optional(
    v.union(
      [
        text(GROUP, (value) => (/^[^:\0\n]+$/.test(value) ? undefined : GROUP)),
        v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(GROUP_NUMBER_MAX)),
      ],
      GROUP,
    ),
  ),
};
const LOG = v.optional(v.function("must be a function"));

const engine = v.strictObject(
  { ...THREADS, ...LISTEN, hold: flag, log: LOG } satisfies Record<keyof EngineOptions, v.GenericSchema>,
  "must be an object",
);

const VOLUME = {
  origin: path,
  snapshots: list(snapshot, "must be an array of objects, one for each snapshot"),
  ...LISTEN,
  direct: v.optional(v.union([v.boolean(), v.literal("auto")], 'must be true, false or "auto"')),
  readOnly: flag,
  originReadOnly: flag,
  trim: v.optional(v.picklist(["keep", "preserve"], 'must be "keep" or "preserve"')),
  early: flag,
  fills: flag,
  reserves: flag,
  mergeBatches: flag,
  mergePercent: number(MERGE_PERCENT, mergePercentFault),
  groupWaitMs: whole(0, GROUP_WAIT_MS_MAX),
  groupCount: whole(1, GROUP_COUNT_MAX),
  noMerge: flag,
  abandon: list(text("must be a string"), "must be an array of names"),
  registered: v.optional(v.union([v.boolean(), v.function()], "must be true, false or a function")),
  abandonMissing: flag,
  moved: flag,
  unregistered: flag,
  unlocked: flag,
  log: LOG,
};

const volume = v.strictObject(
  { ...VOLUME, ...THREADS } satisfies Record<keyof VolumeOptions, v.GenericSchema>,
  "must be an object",
);

const engineVolume = v.strictObject(
  { ...VOLUME, name: text("must be a string", volumeNameFault) } satisfies Record<
    keyof EngineVolumeOptions,
    v.GenericSchema
  >,
  "must be an object",
);

/** What node takes for one, whichever global object it comes from. */
const signal = v.optional(
  v.custom<AbortSignal>(
    (value) =>
      typeof value === "object" &&
      value !== null &&
      "aborted" in value &&
      "addEventListener" in value &&
      typeof value.addEventListener === "function",
    "must be an AbortSignal",
  ),
);
const abort = v.strictObject({ signal } satisfies Record<keyof AbortOptions, v.GenericSchema>, "must be an object");
const create = v.strictObject(
  { signal, maxPauseMs: whole(1, MAX_PAUSE_MS) } satisfies Record<keyof CreateOptions, v.GenericSchema>,
  "must be an object",
);
const merge = v.strictObject(
  { signal, onProgress: v.optional(v.function("must be a function")) } satisfies Record<
    keyof MergeOptions,
    v.GenericSchema
  >,
  "must be an object",
);

/** Of the snapshot that a method is about. Throws an OptionError. */
export function checkName(given: unknown): void {
  if (typeof given !== "string")
    throw optionError("ERR_INVALID_ARG_TYPE", "name", `must be a string; received ${received(given)}`);
}

/** Throws an OptionError. */
export function checkMergePercent(given: unknown): number {
  const isNumber = typeof given === "number";
  if (isNumber && mergePercentFault(given) === undefined) return given;
  const code = isNumber ? "ERR_OUT_OF_RANGE" : "ERR_INVALID_ARG_TYPE";
  throw optionError(code, "percent", `${MERGE_PERCENT}; received ${received(given)}`);
}

/** Throws an OptionError. */
export function checkAbortOptions(options: unknown): AbortOptions {
  return run(abort, options) as AbortOptions;
}

/** Throws an OptionError. */
export function checkCreateOptions(options: unknown): CreateOptions {
  return run(create, options) as CreateOptions;
}

/** Throws an OptionError. */
export function checkMergeOptions(options: unknown): MergeOptions {
  return run(merge, options) as MergeOptions;
}

/** As the program gave them, but for the addresses, which have been read. */
export type CheckedOptions = Omit<VolumeOptions, "listen"> & { readonly listen?: readonly ListenAddress[] | undefined };

export type CheckedEngine = Omit<EngineOptions, "listen"> & { readonly listen?: readonly ListenAddress[] | undefined };

/** Throws an OptionError. */
export function checkEngineOptions(options: unknown): CheckedEngine {
  return run(engine, options) as CheckedEngine;
}

/** Throws an OptionError. */
export function checkVolumeOptions(options: unknown): CheckedOptions {
  return fitting(run(volume, options) as CheckedOptions);
}

/** Of a volume of an engine. Throws an OptionError. */
export function checkEngineVolume(options: unknown): CheckedOptions & { readonly name: string } {
  return fitting(run(engineVolume, options) as CheckedOptions & { readonly name: string });
}

/** Rules between options. */
function fitting<T extends CheckedOptions>(checked: T): T {
  const { snapshots = [], abandon = [], noMerge = false, readOnly = false, originReadOnly = false } = checked;
  if (snapshots.length > MAX_SNAPSHOTS) wrong("options.snapshots", `has more than ${MAX_SNAPSHOTS} snapshots`);
  const before = new Map<string, number>();
  for (const [index, one] of snapshots.entries()) {
    const where = `options.snapshots[${index}]`;
    const same = before.get(one.name);
    if (same !== undefined)
      wrong(`${where}.name`, `is ${received(one.name)}, as that of snapshots[${same}]: names are unique`);
    before.set(one.name, index);
    checkSnapshot(one, where);
    if (originReadOnly) refusePassdown(one, where);
  }
  if (abandon.length > 0 && readOnly)
    wrong("options.abandon", "is a write: a read-only volume cannot give a snapshot up");
  if (checked.abandonMissing === true && readOnly)
    wrong("options.abandonMissing", "is a write: a read-only volume cannot give a snapshot up");
  if (checked.abandonMissing === true && (checked.registered ?? false) === false)
    wrong("options.abandonMissing", "needs registered: who names every snapshot names those to abandon, too");
  if (noMerge && readOnly) wrong("options.noMerge", "is a write: a read-only volume cannot stop a merge");
  if (noMerge && originReadOnly) wrong("options.noMerge", "cannot be: the origin is read-only, and its merge rests");
  return checked;
}

/** Of a snapshot whose origin is only read. Throws an OptionError. */
export function refusePassdown({ discardPassdownOrigin = false }: SnapshotOptions, where: string): void {
  if (discardPassdownOrigin) wrong(`${where}.discardPassdownOrigin`, "would write the origin, which is read-only");
}

/** Throws an OptionError. */
export function checkSnapshotOptions(options: unknown): SnapshotOptions {
  const checked = run(snapshot, options) as SnapshotOptions;
  checkSnapshot(checked, "options");
  return checked;
}

/** Of a group of snapshots. Throws an OptionError, or a SnapringError (EEXIST) where one is named twice. */
export function checkGroup(given: unknown): readonly GroupMember[] {
  const checked = (run(members, { members: given }) as { readonly members: readonly GroupMember[] }).members;
  const names = new Set<string>();
  for (const [i, { volume, snapshot: one }] of checked.entries()) {
    checkSnapshot(one, `options.members[${i}].snapshot`);
    const called = `${volume}@${one.name}`;
    if (names.has(called)) throw new SnapringError("EEXIST", `${called} is named twice`);
    names.add(called);
  }
  return checked;
}

function checkSnapshot(options: SnapshotOptions, where: string): void {
  const { store, chunkSize, whenFull, stallSeconds, size, grow } = options;
  if (store === "N" && chunkSize === undefined)
    throw optionError("ERR_INVALID_ARG_TYPE", `${where}.chunkSize`, "must be given for a store in memory");
  if (store === "PO" && whenFull === "invalidate")
    wrong(`${where}.whenFull`, 'cannot be "invalidate" with a store PO, which overflows');
  if (store === "N" && whenFull === "overflow") wrong(`${where}.whenFull`, OVERFLOWS_NOT);
  if (stallSeconds !== undefined && whenFull !== "stall")
    wrong(`${where}.stallSeconds`, 'is for whenFull "stall" only');
  if (options.sparse === true && options.written === true)
    wrong(`${where}.written`, "cannot be with sparse: the one writes every block, the other none");
  checkGrowth(grow, where);
  if (size !== undefined && grow?.max !== undefined && grow.max < size)
    wrong(`${where}.grow.max`, "is smaller than the size");
}

function checkGrowth(grow: GrowOptions | null | undefined, where: string): void {
  if (grow?.max !== undefined && grow.max < grow.by)
    wrong(`${where}.grow.max`, "is smaller than what is added each time");
}

/** Throws an OptionError. */
export function checkPolicy(options: unknown): SnapshotPolicy {
  const checked = run(policy, options) as SnapshotPolicy;
  const { whenFull, stallSeconds } = checked;
  if (typeof stallSeconds === "number" && whenFull !== undefined && whenFull !== "stall")
    wrong("options.stallSeconds", 'is for whenFull "stall" only');
  checkGrowth(checked.grow, "options");
  return checked;
}

/** Of a snapshot that is open. Throws an OptionError. */
export function refuseForStore(store: StoreKind, { whenFull }: SnapshotPolicy): void {
  if (store === "N" && whenFull === "overflow") wrong("options.whenFull", OVERFLOWS_NOT);
}

/** Throws an OptionError. */
export function checkGrowthOptions(options: unknown): GrowthOptions {
  return run(growing, options) as GrowthOptions;
}
