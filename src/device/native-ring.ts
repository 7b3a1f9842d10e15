/**
 * The ring of the native addon: io_uring, or its stand-in over poll(2) and threads that help where io_uring is refused.
 *
 * It belongs to the thread that made it. While a turn sleeps, the thread sleeps: who wants to end it signals an eventfd that
 * the ring reads. A ring holds its own reference to each file, so that a descriptor may be closed once it was set.
 *
 * What a loop may rely on, in both kinds:
 *   - a descriptor that is out of range (arena, vector entry, file, argument bits) completes with -EINVAL or -EBADF, and nothing
 *     of its chain is started: the other members complete with -ECANCELED;
 *   - a link is a link within one turn; in a chain on io_uring, what is done within the turn comes first (IoFlag.AtOnce, tmpfs; a chain
 *     where such a member stands behind another is refused with -EINVAL);
 *   - with nothing in flight, a turn never sleeps, and returns 0;
 *   - a turn that sleeps returns 0 when the thread's event loop has something to do, if that was asked for (`watchLoop`): who lets
 *     the loop run then can be ended from outside (`worker.terminate`, `process.exit`);
 *   - `close` cancels what can be cancelled and waits for the rest, so that nothing writes into the arena afterwards. A device that hangs is not waited
 *     for: without io_uring what it answers late reaches no arena, for helpers have memory of their own.
 */
import { SnapringError, errno, errnoName } from "../base/errno.ts";
import type { ErrnoName } from "../base/errno.ts";
import { COMPLETION_WORDS, DESCRIPTOR_WORDS } from "../ring/io-descriptor.ts";
import { loadNative, uringRefusal, uringSwitchedOff } from "./native.ts";
import type { Native, NativeRingHandle } from "./native.ts";
import type { FileKind, IoRing, IoRingCounters } from "./port.ts";
import { errnoError } from "./system-error.ts";

/** "auto": io_uring where it works, else poll. */
export type NativeRingMode = "auto" | "uring" | "poll";

export interface NativeRingOptions {
  /** From `newSharedPages`: at most 4 GiB. */
  readonly arena: SharedArrayBuffer;
  /** Descriptors per turn. */
  readonly capacity: number;
  /** Entries of the file table. */
  readonly files: number;
  /** The first bytes of the arena that are registered with the kernel, and pinned by that; as a rule the data slots. 0: none. */
  readonly registeredBytes?: number | undefined;
  readonly mode?: NativeRingMode | undefined;
  /** Entries of the kernel's submission queue; as a rule the capacity. */
  readonly queueEntries?: number | undefined;
  /** A sleep ends, with no completion, when the thread's event loop has something to do. Else only completions end it. */
  readonly watchLoop?: boolean | undefined;
}

/**
 * Throws a SnapringError where the addon is missing (ENOSYS), or `mode` is "uring" and the kernel refuses (its errno);
 * a TypeError for sizes out of range.
 */
export function createNativeRing(options: NativeRingOptions): NativeRing {
  const { native, reason } = loadNative();
  if (native === undefined) throw new SnapringError("ENOSYS", reason);
  const mode = options.mode ?? "auto";
  if (mode === "poll") return makeRing(native, options, false);
  const made = uringSwitchedOff() ? -errno.EPERM : tryUring(native, options);
  if (typeof made !== "number") return made;
  if (mode === "auto") return makeRing(native, options, false);
  throw new SnapringError(errnoName(made) as ErrnoName, uringRefusal(made));
}

function tryUring(native: Native, options: NativeRingOptions): NativeRing | number {
  const parts = makeParts(native, options, true);
  return typeof parts.handle === "number" ? parts.handle : new NativeRing("uring", parts.handle, parts);
}

function makeRing(native: Native, options: NativeRingOptions, uring: boolean): NativeRing {
  const parts = makeParts(native, options, uring);
  if (typeof parts.handle === "number") throw errnoError(parts.handle, "a ring cannot be made");
  return new NativeRing("poll", parts.handle, parts);
}

interface RingArrays {
  readonly submissions: Int32Array;
  readonly completions: Int32Array;
  readonly capacity: number;
}

function makeParts(
  native: Native,
  options: NativeRingOptions,
  uring: boolean,
): RingArrays & { handle: NativeRingHandle | number } {
  const { capacity } = options;
  // Shared, though only this thread uses them: such memory never moves, and cannot be detached under the kernel.
  const submissions = new Int32Array(new SharedArrayBuffer(capacity * DESCRIPTOR_WORDS * 4));
  const completions = new Int32Array(new SharedArrayBuffer(capacity * COMPLETION_WORDS * 4));
  const arena = new Uint8Array(options.arena);
  const registered = options.registeredBytes ?? 0;
  const entries = options.queueEntries ?? 0;
  const handle = native.createRing(
    uring,
    arena,
    submissions,
    completions,
    capacity,
    options.files,
    registered,
    entries,
  );
  if (options.watchLoop === true && typeof handle !== "number") watchLoop(handle);
  return { handle, submissions, completions, capacity };
}

function watchLoop(handle: NativeRingHandle): void {
  try {
    handle.watchLoop();
  } catch (error) {
    handle.close();
    throw error;
  }
}

export class NativeRing implements IoRing {
  readonly kind: "uring" | "poll";
  readonly submissions: Int32Array;
  readonly completions: Int32Array;
  readonly capacity: number;
  /** What the kernel granted. */
  readonly registeredBytes: number;
  readonly hasRegisteredFiles: boolean;
  readonly setupFlags: number;
  readonly #handle: NativeRingHandle;
  readonly #turn: (count: number, wait: boolean) => number;
  readonly #copy: (target: number, source: number, length: number) => void;
  readonly #zero: (target: number, length: number) => void;
  #closedCounters: IoRingCounters | undefined;
  #isQuiet = false;

  constructor(kind: "uring" | "poll", handle: NativeRingHandle, arrays: RingArrays) {
    this.kind = kind;
    this.submissions = arrays.submissions;
    this.completions = arrays.completions;
    this.capacity = arrays.capacity;
    this.registeredBytes = handle.registeredBytes;
    this.hasRegisteredFiles = handle.registeredFiles === 1;
    this.setupFlags = handle.setupFlags;
    this.#handle = handle;
    this.#turn = handle.turn;
    this.#copy = handle.copy;
    this.#zero = handle.zero;
  }

  /** Throws a SnapringError where the descriptor cannot be held (EBADF, EMFILE, ENOMEM); -1 is never refused. */
  setFile(index: number, fd: number, kind: FileKind): void {
    const status = this.#handle.setFile(index, fd, kind);
    if (status < 0) throw errnoError(status, `ring cannot hold descriptor ${fd}`);
  }

  /** Throws a SnapringError only where the ring itself has failed. */
  turn(count: number, wait: boolean): number {
    const done = this.#turn(count, wait);
    if (done < 0) throw errnoError(done, "the ring has failed");
    return done;
  }

  copy(target: number, source: number, length: number): void {
    this.#copy(target, source, length);
  }

  zero(target: number, length: number): void {
    this.#zero(target, length);
  }

  counters(): IoRingCounters {
    if (this.#closedCounters !== undefined) return this.#closedCounters;
    const [enters, turns, submitted, completed, inline] = this.#handle.counters();
    return { enters, turns, submitted, completed, inline };
  }

  close(): boolean {
    this.#closedCounters ??= this.counters();
    this.#isQuiet = this.#handle.close() ?? this.#isQuiet;
    return this.#isQuiet;
  }
}
