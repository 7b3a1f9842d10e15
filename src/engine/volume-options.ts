/**
 * What `openVolume` takes: typed options, checked (option-schema.ts) and completed with their defaults.
 *
 * The command line passes the same options. What depends on devices and stores is refused where they are opened.
 */
import { availableParallelism } from "node:os";
import { GROUP_COUNT_MAX, GROUP_WAIT_MS } from "../base/constants.ts";
import type { RingMode } from "../ring/worker-data.ts";
import { checkVolumeOptions } from "./option-schema.ts";
import { SafeLog } from "./safe-log.ts";

export interface SnapshotOptions {
  /** The export's name; neither empty nor "origin". */
  readonly name: string;
  /** File or block device of the COW store. */
  readonly cow: string;
  /** Bytes; a store that exists keeps its own (S-33). Default: 16 KiB for a new one. */
  readonly chunkSize?: number | undefined;
  /** P: persistent (default). PO: persistent, overflows instead of turning invalid. N: in memory, lost on close. */
  readonly store?: "P" | "PO" | "N" | undefined;
  /** Bytes: make the COW file with this size where it does not exist. */
  readonly size?: number | undefined;
  /** The file that is made reserves no space: it may fail later when the file system is full, and is slower. Default false. */
  readonly sparse?: boolean | undefined;
  /** Make a new store whatever stands on the COW device, as `create --force` does; not where a register knows it. Default false. */
  readonly force?: boolean | undefined;
  /** E-12. */
  readonly discardZeroesCow?: boolean | undefined;
  readonly discardPassdownOrigin?: boolean | undefined;
}

export interface VolumeOptions {
  /** File or block device that holds the live volume. */
  readonly origin: string;
  readonly snapshots?: readonly SnapshotOptions[] | undefined;
  /** "unix:PATH" or "tcp:HOST:PORT"; none: nothing is served. */
  readonly listen?: readonly string[] | undefined;
  /** O_DIRECT; "auto" (default): where it serves. */
  readonly direct?: boolean | "auto" | undefined;
  /** "uring": fail where io_uring is refused. "sync": do not use it. Default "auto". */
  readonly io?: "auto" | "uring" | "sync" | undefined;
  /** Clients may not write. */
  readonly readOnly?: boolean | undefined;
  /**
   * The origin alone is only read: its export is read-only, its snapshots can be written (evidence images, a live system's disk). It is opened
   * for reading, nothing is merged, `discardPassdownOrigin` is refused. Snapshots that are not given stay as they are. The register is kept; where
   * it cannot be written (a read-only medium), the volume opens only with `unregistered`. Default false.
   */
  readonly originReadOnly?: boolean | undefined;
  /** Threads that serve clients. Default: one per processor, 4 at most. */
  readonly workers?: number | undefined;
  /** Threads that copy chunks. Default 1. */
  readonly copyWorkers?: number | undefined;
  /** S-57: acknowledge snapshot writes before their exceptions are durable; a flush makes them so. Default true. */
  readonly early?: boolean | undefined;
  /** A first write to a part of a chunk is completed by the worker that serves it, instead of a copy worker. Default true. */
  readonly fills?: boolean | undefined;
  /** Workers hold a few chunks of each store in reserve, so that a first write needs one hop less; off: chunks are allocated in the order of first writes. Default true. */
  readonly reserves?: boolean | undefined;
  /** S-69: a merge takes runs from several areas at once; off: one run per flush (S-60…S-64). Default true. */
  readonly mergeBatches?: boolean | undefined;
  /** Percentage (1–100) of the time that a merge may take, so that clients' I/O stays usable (E-26). Default 100. */
  readonly mergePercent?: number | undefined;
  /** Milliseconds (0–60000) that exceptions may wait in a group that nobody waits for, before it is written (S-54). Default 50. */
  readonly groupWaitMs?: number | undefined;
  /** Exceptions (1–1024) that make a group be written without a waiter; none is larger (S-54). Default 1024. */
  readonly groupCount?: number | undefined;
  /** Microseconds (0–1000000) that a thread that serves clients polls after its last work before it sleeps. Default 0: it sleeps at once. */
  readonly busyPoll?: number | undefined;
  /** A merge that was under way when the volume was last open does not go on: the origin is served as it is, half merged. Default false. */
  readonly noMerge?: boolean | undefined;
  /** Registered snapshots that are given up: their stores are marked Invalid, so that the origin may be written without them (E-46). */
  readonly abandon?: readonly string[] | undefined;
  /** What stands at the given paths is what was registered, though files were moved or replaced: taken where it fits (E-46). */
  readonly moved?: boolean | undefined;
  /** This origin has no snapshots, whatever its mark says of a register that is not here (E-46). */
  readonly unregistered?: boolean | undefined;
  /** Go on, with a line in the log, where nothing can be locked: no addon and no program flock, or a file system without locks. Default false. */
  readonly unlocked?: boolean | undefined;
  /** One line, for people. What it throws is dropped and counted (`droppedLines` in the statistics). */
  readonly log?: ((line: string) => void) | undefined;
}

export interface CompleteOptions {
  readonly origin: string;
  readonly snapshots: readonly SnapshotOptions[];
  readonly listen: readonly string[];
  readonly direct: boolean | "auto";
  readonly io: "auto" | "uring" | "sync";
  readonly mode: RingMode;
  readonly readOnly: boolean;
  /** Also where the whole volume is. */
  readonly originReadOnly: boolean;
  readonly workers: number;
  readonly copyWorkers: number;
  readonly early: boolean;
  readonly fills: boolean;
  readonly reserves: boolean;
  readonly mergePercent: number;
  readonly mergeBatches: boolean;
  readonly groupWaitMs: number;
  readonly groupCount: number;
  readonly busyPoll: number;
  readonly noMerge: boolean;
  readonly abandon: readonly string[];
  readonly moved: boolean;
  readonly unregistered: boolean;
  readonly unlocked: boolean;
  /** Never throws. */
  readonly log: (line: string) => void;
  readonly droppedLines: () => number;
}

const DEFAULT_WORKERS_MAX = 4;

/** Throws an OptionError that names the option. */
export function completeOptions(given: VolumeOptions): CompleteOptions {
  const options = checkVolumeOptions(given);
  const io = options.io ?? "auto";
  const fills = options.fills ?? true;
  const log = new SafeLog(options.log ?? (() => {}));
  return {
    origin: options.origin,
    snapshots: options.snapshots ?? [],
    listen: options.listen ?? [],
    direct: options.direct ?? "auto",
    io,
    mode: io === "sync" ? "poll" : io,
    readOnly: options.readOnly ?? false,
    originReadOnly: (options.readOnly ?? false) || (options.originReadOnly ?? false),
    workers: options.workers ?? Math.min(DEFAULT_WORKERS_MAX, availableParallelism()),
    copyWorkers: options.copyWorkers ?? 1,
    early: options.early ?? true,
    fills,
    reserves: (options.reserves ?? true) && fills,
    mergeBatches: options.mergeBatches ?? true,
    mergePercent: options.mergePercent ?? 100,
    groupWaitMs: options.groupWaitMs ?? GROUP_WAIT_MS,
    groupCount: options.groupCount ?? GROUP_COUNT_MAX,
    busyPoll: options.busyPoll ?? 0,
    noMerge: options.noMerge ?? false,
    abandon: options.abandon ?? [],
    moved: options.moved ?? false,
    unregistered: options.unregistered ?? false,
    unlocked: options.unlocked ?? false,
    log: log.write,
    droppedLines: () => log.dropped,
  };
}
