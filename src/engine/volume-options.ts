/**
 * The options of the library: of a volume, of a snapshot, of a merge, and what ends an operation before its time.
 *
 * Types only, with the words that a program's author reads. They are checked by option-schema.ts and completed by complete-options.ts; the command
 * line passes the same ones. What depends on devices and stores is refused where they are opened.
 */

/** How a COW file grows by itself. Bytes, multiples of 512. */
export interface GrowOptions {
  /** What is added each time, a chunk at least. */
  readonly by: number;
  /** Percent (1 to 99) of the store that are allocated when it grows. Default 80. */
  readonly at?: number | undefined;
  /** It grows up to this size. Default: as long as its file system has room. */
  readonly max?: number | undefined;
}

/** What a snapshot does when its store runs full: for `setSnapshotPolicy`. What is left out or undefined stays as it is. */
export interface SnapshotPolicy {
  /** As in the options of a snapshot; null: it does not grow by itself any more. */
  readonly grow?: GrowOptions | null | undefined;
  /** As in the options of a snapshot. */
  readonly whenFull?: "invalidate" | "overflow" | "stall" | undefined;
  /** As in the options of a snapshot; null: without end. */
  readonly stallSeconds?: number | null | undefined;
}

/** For `growSnapshot`. */
export interface GrowthOptions {
  /** Bytes, a multiple of 512: the COW file is made so large first. A block device must have it. Default: the size that the COW device has now. */
  readonly size?: number | undefined;
}

/** A snapshot, for `openVolume` and `createSnapshot`. Sizes are bytes. */
export interface SnapshotOptions {
  /** The export's name, and that of the snapshot in the register: up to 4096 bytes of UTF-8, neither empty nor "origin", unique in the volume. */
  readonly name: string;
  /** Path of the file or block device of the COW store. The file is made where it does not exist and `size` is given. */
  readonly cow: string;
  /**
   * Bytes of a chunk, the unit of copy-on-write: a power of two from 512 to 2^30. A store that exists keeps its own. Default: 16 KiB for a new
   * one. Must be given for a store `N`.
   */
  readonly chunkSize?: number | undefined;
  /**
   * What the store is when it is full, and after a close. Default "P".
   *
   * - "P", persistent: it is there again at the next opening; when it is full the snapshot becomes invalid.
   * - "PO", persistent with overflow: as P, but when the snapshot's own writes fill it, they fail (ENOSPC) until it has grown, and the snapshot
   *   stays readable. Origin writes that need room still make it invalid.
   * - "N", not persistent: what belongs where is kept in memory; after the close, or a crash, there is no snapshot.
   */
  readonly store?: "P" | "PO" | "N" | undefined;
  /** Bytes, a multiple of 512: make the COW file with this size where it does not exist. Without effect, but for a line in the log, where it does. */
  readonly size?: number | undefined;
  /** The file that is made reserves no space: it may fail later when the file system is full, and is slower. Default false. */
  readonly sparse?: boolean | undefined;
  /** Every block of the file that is made is written with zeroes: first writes are fastest, and it takes as long as that. Not with `sparse`. Default false: its space is reserved. */
  readonly written?: boolean | undefined;
  /** Clients may not write this snapshot; what the origin loses is kept as ever. It is not remembered: the next opening has options of its own. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * The COW file grows by itself: when so many percent of it are allocated it is made larger, and who needs room meanwhile waits for that. What is added is
   * reserved, unless the file has holes or is said to be `sparse`. Not of a block device. Default: it does not.
   */
  readonly grow?: GrowOptions | undefined;
  /**
   * What happens when the store is full and does not grow.
   *
   * - "invalidate": the snapshot becomes invalid. The default of a store P or N, and all that N knows beside "stall".
   * - "overflow": the snapshot's own writes fail, as with a store PO, whose default it is; the same as `store: "PO"`.
   * - "stall": requests that need room wait until it is there (`growSnapshot`, `grow`, room on a file system that is full), for `stallSeconds` at most; then the snapshot becomes invalid, or
   *   overflows with a store PO. All others are served meanwhile.
   */
  readonly whenFull?: "invalidate" | "overflow" | "stall" | undefined;
  /** With `whenFull: "stall"`: seconds, at least 0.001. Default: without end. */
  readonly stallSeconds?: number | undefined;
  /**
   * Make a store on a COW device whose first sector is blank although something else stands there (a file system, a partition table …), which is
   * overwritten. A store that is there is never made anew: `snapring create --force` does that. Default false.
   */
  readonly force?: boolean | undefined;
  /** A discard (trim) of the snapshot zeroes what its COW store holds of the range. Default false: a discard of the snapshot leaves its data as it is. */
  readonly discardZeroesCow?: boolean | undefined;
  /**
   * With `discardZeroesCow`: such a discard also discards the range on the origin's device, and nobody keeps its data: it may be gone from the live volume
   * and from every snapshot. Default false.
   */
  readonly discardPassdownOrigin?: boolean | undefined;
}

/** A snapshot as the register of its origin has it. */
export interface RegisteredSnapshotInfo {
  readonly name: string;
  /** Path of its COW device. */
  readonly cow: string;
  /** `invalid`: it was dropped or lost, and is kept until it is dropped. */
  readonly state: "active" | "merging" | "invalid";
}

/** A volume, for `openVolume`. An option that is left out or undefined has its default; one that is unknown is refused. */
export interface VolumeOptions {
  /** Path of the file or block device that holds the live volume. It is locked while the volume is open. */
  readonly origin: string;
  /** Its snapshots, 256 at most: those that the register knows, unless they are abandoned, and new ones. Default: none. */
  readonly snapshots?: readonly SnapshotOptions[] | undefined;
  /**
   * Addresses: "unix:PATH" (a path of 107 bytes at most; the socket's file goes at the close), "tcp:HOST:PORT" (an IPv6 host in brackets; port 0: any
   * free one, see `exports`) or "fd:N" (a listening socket, number N from 3 on, that this process was started with; it is closed at the close, its file stays).
   * Default: nobody is served.
   */
  readonly listen?: readonly string[] | undefined;
  /**
   * Mode of the Unix sockets that are made, 0 to 0o777, whatever the umask; who may write to one may connect. It is set before anybody can. Default: 0o660 with
   * `socketGroup`, else what the umask says, 0o755 at most.
   */
  readonly socketMode?: number | undefined;
  /** Group of the Unix sockets that are made, by its name or its number. Default: the process's. */
  readonly socketGroup?: string | number | undefined;
  /** O_DIRECT, past the page cache. true: fail (EINVAL) where that is not possible. Default "auto": where it serves. */
  readonly direct?: boolean | "auto" | undefined;
  /** How I/O is done. "uring": fail (EOPNOTSUPP) where io_uring is refused. "sync": do not use it. Default "auto": io_uring where it works. */
  readonly io?: "auto" | "uring" | "sync" | undefined;
  /** Clients may write neither the origin nor a snapshot, and nothing is written to disk. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * The origin alone is only read: its export is read-only, its snapshots can be written (evidence images, a live system's disk). It is opened
   * for reading, nothing is merged, `discardPassdownOrigin` is refused. Snapshots that are not given stay as they are. The register is kept; where
   * it cannot be written (a read-only medium), the volume opens only with `unregistered`. Default false.
   */
  readonly originReadOnly?: boolean | undefined;
  /**
   * A discard (trim) of the live volume. "keep": what a snapshot would have to copy first is left as it is, for a discard is only advice; the rest is
   * discarded. It costs no snapshot anything. "preserve": the old data is copied to the snapshots first, as for a write. Default "keep".
   */
  readonly trim?: "keep" | "preserve" | undefined;
  /** Threads that serve clients, 1 to 16. Default: one per processor, 4 at most. */
  readonly workers?: number | undefined;
  /** Threads that copy chunks, 1 to 16. Default 1. */
  readonly copyWorkers?: number | undefined;
  /** Acknowledge writes to a snapshot before its metadata is durable; a flush makes it so, as on any disk. Default true. */
  readonly early?: boolean | undefined;
  /** A first write to a part of a chunk is completed by the thread that serves it, instead of a copy thread. Default true. */
  readonly fills?: boolean | undefined;
  /** Threads hold a few chunks of each store in reserve, so that a first write needs one hop less; off: chunks are allocated in the order of first writes. Default true. */
  readonly reserves?: boolean | undefined;
  /** A merge takes runs from several metadata areas at once; off: one run per flush, as the kernel does. Default true. */
  readonly mergeBatches?: boolean | undefined;
  /** Percentage (1 to 100) of the time that a merge may take, so that clients' I/O stays usable. Default 100. */
  readonly mergePercent?: number | undefined;
  /** Milliseconds (0 to 60000) that metadata which nobody waits for may wait for more, before it is written. Default 50. */
  readonly groupWaitMs?: number | undefined;
  /** Exceptions (1 to 1024) that are written without waiting for more; no write has more of them. Default 1024. */
  readonly groupCount?: number | undefined;
  /** Microseconds (0 to 1000000) that a thread that serves clients polls after its last work before it sleeps. Default 0: it sleeps at once. */
  readonly busyPoll?: number | undefined;
  /** A merge that was under way when the volume was last open does not go on: the origin is served as it is, half merged. Not with `readOnly`. Default false. */
  readonly noMerge?: boolean | undefined;
  /** Names of registered snapshots that are given up: their stores are marked invalid, so that the origin may be written without them. Not with `readOnly`. */
  readonly abandon?: readonly string[] | undefined;
  /**
   * Also opens every snapshot that the register knows and neither `snapshots` nor `abandon` names: with `true` as it was registered, with a function as that says of
   * each, asked once. One that is invalid is left out where its COW device is not there. Default false: all that are registered must be named.
   */
  readonly registered?:
    | boolean
    | ((one: RegisteredSnapshotInfo) => Omit<SnapshotOptions, "name" | "cow"> | undefined)
    | undefined;
  /** With `registered`: snapshots at whose paths nothing is are given up, as by `abandon`. A disk that is not mounted looks the same. Not with `readOnly`. Default false. */
  readonly abandonMissing?: boolean | undefined;
  /** What stands at the given paths is what was registered, though files were moved or replaced: taken where it fits. Default false. */
  readonly moved?: boolean | undefined;
  /** This origin has no snapshots, whatever its mark says of a register that is not here. Default false. */
  readonly unregistered?: boolean | undefined;
  /** Go on, with a line in the log, where nothing can be locked: no addon and no program flock, or a file system without locks. Default false. */
  readonly unlocked?: boolean | undefined;
  /** Gets one line at a time, for people, without its end. What it throws is dropped and counted (`droppedLines` in the statistics). Default: nobody is told. */
  readonly log?: ((line: string) => void) | undefined;
}

/** An engine, for `openEngine`: the threads that its volumes share. An option that is left out or undefined has its default; one that is unknown is refused. */
export interface EngineOptions {
  /**
   * Addresses that serve every volume, as in the options of a volume: there the export `VOLUME` is a live volume, `VOLUME@SNAPSHOT` a snapshot of it, and the
   * empty name the live volume where the engine has but one. Default: volumes are served by addresses of their own.
   */
  readonly listen?: readonly string[] | undefined;
  /**
   * Mode of the Unix sockets that are made, 0 to 0o777, whatever the umask; who may write to one may connect. It is set before anybody can. Default: 0o660 with
   * `socketGroup`, else what the umask says, 0o755 at most.
   */
  readonly socketMode?: number | undefined;
  /** Group of the Unix sockets that are made, by its name or its number. Default: the process's. */
  readonly socketGroup?: string | number | undefined;
  /**
   * Clients at the engine's addresses wait, connected, until `admit()`: so that volumes can be opened first, and nobody who comes back after a restart is told that there
   * is no such export. Default false.
   */
  readonly hold?: boolean | undefined;
  /** How I/O is done. "uring": fail (EOPNOTSUPP) where io_uring is refused. "sync": do not use it. Default "auto": io_uring where it works. */
  readonly io?: "auto" | "uring" | "sync" | undefined;
  /** Threads that serve clients, 1 to 16. Default: one per processor, 4 at most. */
  readonly workers?: number | undefined;
  /** Threads that copy chunks, 1 to 16. Default 1. */
  readonly copyWorkers?: number | undefined;
  /** Microseconds (0 to 1000000) that a thread that serves clients polls after its last work before it sleeps. Default 0: it sleeps at once. */
  readonly busyPoll?: number | undefined;
  /** Gets one line at a time about the engine (volumes have a `log` of their own), without its end. What it throws is dropped. Default: nobody is told. */
  readonly log?: ((line: string) => void) | undefined;
}

/** A volume of an engine, for `Engine.openVolume`: as for `openVolume`, without what is the engine's, and with a name. */
export interface EngineVolumeOptions extends Omit<VolumeOptions, "io" | "workers" | "copyWorkers" | "busyPoll"> {
  /** Its name at the engine's addresses: up to 255 bytes of UTF-8, neither empty nor with an `@`, unique in the engine. */
  readonly name: string;
}

/** How far a merge is. */
export interface MergeProgress {
  /** Of what there was when the merge began, or went on: 0 … 1. */
  readonly fraction: number;
  /** Chunks that are still to be merged. */
  readonly left: number;
}

/** For `Volume.merge`. */
export interface MergeOptions {
  /** Stops the merge: what has been merged stays so, the rest is the snapshot's still. Rejects with an AbortError when the origin has been handed back. */
  readonly signal?: AbortSignal | undefined;
  /** After each step. What it throws is the program's own uncaught exception. */
  readonly onProgress?: ((progress: MergeProgress) => void) | undefined;
}

/** For `startMerge`. */
export interface MergeStart {
  /** It is presented, and paused before its first step: `resumeMerge` lets it go on. */
  readonly held?: boolean | undefined;
}

/** What ends an operation before its time. */
export interface AbortOptions {
  /** Once it is aborted the operation takes back what it has begun, and rejects with an AbortError (code ABORT_ERR; `cause`: the signal's reason). */
  readonly signal?: AbortSignal | undefined;
}

/** For `createSnapshot` and `createSnapshots`. */
export interface CreateOptions extends AbortOptions {
  /**
   * Milliseconds (1 to 3600000) for which writes of clients may be held, of all volumes of a group together. Where it takes longer (a device hangs under a write that is
   * under way) the order is given up, and rejects with a SnapringError (ETIMEDOUT). Default: without end.
   */
  readonly maxPauseMs?: number | undefined;
}

/** For `Volume.close`. */
export interface CloseOptions {
  /** Once it is aborted clients have no more time: what they have under way is cut. The close goes on to its end, and resolves. */
  readonly signal?: AbortSignal | undefined;
}
