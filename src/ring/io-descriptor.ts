/**
 * The descriptors that a worker's loop writes into shared memory for its ring, and the completions that come back.
 *
 * This layout is the contract between TypeScript and the native addon; the addon exports its own copy of every number
 * and the loader asserts that both agree.
 *
 *   submission (64 bytes)                                   completion (16 bytes)
 *   word 0  op | flags << 8                                 word 0  user
 *   word 1  file: index in the ring's file table            word 1  result: ≥ 0, or -errno
 *   word 2  user: comes back in the completion              word 2  operation's flags
 *   word 3  arena offset of the bytes                       word 3  0
 *   word 4  length in bytes (vector: number of entries)
 *   word 5  file position, low       word 6  high
 *   word 7  argument (fallocate mode, RWF_*, MSG_*, ring fd, timeout in µs)
 *   word 8  second length: fallocate length low             word 9  high
 *   words 10-15  0
 *
 * A vector is an array of (arena offset, length) pairs of 32-bit words in the arena, 4-byte aligned.
 */

export const DESCRIPTOR_WORDS = 16;
export const COMPLETION_WORDS = 4;

export const IoOp = {
  Nop: 0,
  /** pread: file, arena offset, length, position. */
  Read: 1,
  /** pwrite; argument IoArg.Dsync makes it durable when it completes. */
  Write: 2,
  /** fdatasync. */
  Sync: 3,
  /** fallocate: mode in the argument, position, length in words 8-9. */
  Allocate: 4,
  /** recv into one range; completes with what has arrived (at least 1 byte; 0: the peer has closed). */
  Receive: 5,
  /** send one range, whole (MSG_WAITALL | MSG_NOSIGNAL); of no bytes: 0, or -EPIPE where nobody can read them any more. */
  Send: 6,
  /** sendmsg of a vector, whole. */
  SendVector: 7,
  /** Read 8 bytes of an eventfd into the arena: the wake-up from another thread. */
  EventRead: 8,
  /** Cancel the operation whose user word is in the argument. */
  Cancel: 9,
  /** Complete with -ETIME after the argument's microseconds. */
  Timeout: 10,
  /** recvmsg into a vector; completes like Receive. */
  ReceiveVector: 11,
  /** readv / writev of a vector at a position. */
  ReadVector: 12,
  WriteVector: 13,
} as const;
export type IoOp = (typeof IoOp)[keyof typeof IoOp];

export const IoFlag = {
  /** The next descriptor starts only when this one has succeeded whole; else it completes with -ECANCELED. */
  Link: 1,
  /**
   * An operation of a file is done inside `turn`, as if the file were FileKind.Inline: for a thread that has nothing else to do
   * meanwhile, and operations that io_uring hands to threads of its own (fdatasync, RWF_DSYNC). Others ignore it, and so do files of FUSE
   * and NFS on io_uring: their server may not answer.
   */
  AtOnce: 2,
} as const;

export const IoArg = {
  /** On Write and WriteVector: RWF_DSYNC. */
  Dsync: 2,
} as const;

/**
 * fallocate modes (Linux). `Discard` is ours: advice that the bytes are not needed, after which they may read as anything
 * (a hole in a file, BLKDISCARD on a block device). PunchHole | KeepSize and ZeroRange always read as zeroes afterwards.
 */
export const AllocateMode = { KeepSize: 1, PunchHole: 2, ZeroRange: 16, Discard: 256 } as const;
