/**
 * The one port to devices and sockets: a batch ring.
 *
 * A loop writes descriptors into `submissions`, calls `turn` once, and reads `completions`. There is a real
 * implementation over io_uring, one over poll and preadv2/pwritev2 (both native), one over node:fs, and a lying one in the
 * tests. All of them keep the contract of `ring/io-descriptor.ts`. A ring belongs to the thread that made it.
 *
 *   loop                         ring
 *   fill descriptors 0 … n-1
 *   turn(n, wait) ──────────────▶ submit all, in order; wait for one completion if asked
 *   m = result    ◀────────────── completions 0 … m-1 filled
 */

export const FileKind = {
  /** Asynchronous where the ring can: O_DIRECT files, block devices, sockets. */
  Async: 0,
  /**
   * The page cache. What does not wait is done at once, inside `turn`, by preadv2/pwritev2, where io_uring would use a slower thread: all on
   * tmpfs, and elsewhere writes, and reads of what is cached. What waits (a read that is not cached, a flush, any operation of FUSE or NFS) goes
   * to io_uring, or without it to a thread that helps. Without the addon all of it is done at once.
   */
  Inline: 1,
  /** A stream socket. */
  Socket: 2,
  /** An eventfd. */
  Event: 3,
} as const;
export type FileKind = (typeof FileKind)[keyof typeof FileKind];

export interface IoRingCounters {
  /** System calls that entered the kernel for this ring. */
  readonly enters: number;
  readonly turns: number;
  readonly submitted: number;
  readonly completed: number;
  /** Operations done within the turn: neither by io_uring nor by a thread that helps. */
  readonly inline: number;
}

export interface IoRing {
  /** "uring": io_uring; "poll": native without io_uring; "node": no addon at all. */
  readonly kind: "uring" | "poll" | "node" | "fake";
  /** Room for `capacity` descriptors of DESCRIPTOR_WORDS words. */
  readonly submissions: Int32Array;
  /** Room for completions of COMPLETION_WORDS words, at least `capacity` of them. */
  readonly completions: Int32Array;
  readonly capacity: number;
  /**
   * Put a descriptor number of the process at an index of the ring's file table; -1 clears it, and is never refused. Throws a SnapringError
   * where the machine has no descriptor or memory for it; an index that was clear is clear then.
   */
  setFile(index: number, fd: number, kind: FileKind): void;
  /**
   * Submit the first `count` descriptors and collect what has completed (at most `capacity`; the rest comes next time).
   * With `wait`, sleep until there is at least one completion. Returns the number of completions: after a sleep it is 0 only where
   * nothing is in flight, or where the thread's event loop has something to do.
   */
  turn(count: number, wait: boolean): number;
  /** Copy bytes inside the arena (memmove). */
  copy(target: number, source: number, length: number): void;
  /** Fill bytes of the arena with zeroes. */
  zero(target: number, length: number): void;
  counters(): IoRingCounters;
  /** True: nothing is under way any more; else a device hangs, and may still write into the arena. */
  close(): boolean;
}
