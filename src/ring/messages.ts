/**
 * The messages between main and the workers: 8 words of 32 bits each (see spsc-ring.ts).
 *
 *   word 0: kind    word 1: token, job or connection    words 2-7: as listed; "lo hi" is one u64 in two words
 *
 *   export worker                     main                      copy worker / metadata worker
 *   NeedOrigin, NeedChunk,            │                          │
 *   NeedDurable, NeedRange … ────────▶│ ── CopyRead, CopyWrite ─▶│
 *   ◀──────────── Released, Granted ──│ ◀──────────── Copied ────│
 *   Written, Drained, GateDrained ───▶│ ── Metadata… ───────────▶│
 *                                     │ ◀──────── MetadataDone ──│
 */

export const Message = {
  // export worker → main
  /** [token, sector lo, hi, sectors]: an origin write found a chunk that is not settled (C-10). */
  NeedOrigin: 1,
  /** [token, snapshot, chunk lo, hi, ChunkNeed]: a snapshot write found no exception (C-12). */
  NeedChunk: 2,
  /** [token, snapshot, sequence]: a flush or FUA wants everything up to it durable (C-13, C-14). */
  NeedDurable: 3,
  /** [token, snapshot]: a write met the merging range (C-39). */
  NeedRange: 4,
  /** [token, snapshot, chunk lo, hi, errno]: a granted chunk is written. */
  Written: 5,
  /** [-, snapshot, bucket]: a counter of tracked reads fell to 0 while main waits (C-5). */
  Drained: 6,
  /** [-, gate]: this worker's count in a closed gate fell to 0. */
  GateDrained: 7,
  /** [token, gate]: a write that must read, modify and write a device block alone (no other write in the gate, C-17). */
  NeedExclusive: 8,
  /** [token, gate]: it is done. */
  ExclusiveDone: 9,
  /** [-, snapshot, count]: the worker would have chunks in reserve (chunk-reserve.ts). */
  NeedReserve: 13,
  /** [token, snapshot | epoch << 16, chunk lo, hi, new chunk lo, hi]: a reserved chunk is filled; 0: done, EAGAIN: look again (C-15). */
  Claim: 14,
  /** [token, snapshot | epoch << 16, chunk lo, hi, new chunk lo, hi]: the same for an origin write, which has kept the old data there (C-16). */
  ClaimOrigin: 17,
  /** [connection, CloseCause]: the worker has finished with a connection; main closes it. */
  ConnectionClosed: 10,
  /** [connection]: its handshake is over, it is in transmission. */
  Entered: 15,
  /** []: a client waits for memory that others hold; main answers with Relieve after TRANSFER_MS. Sent once until then. */
  Waiting: 16,
  /** [-, sequence, errno]: a control message from the port has been taken; where the machine refused what it takes, nothing was done. */
  ControlTaken: 11,
  /** [-, requests, clients]: the loop has ended, nothing of this worker is under way; so many were cut (StopHow.Cut). */
  Stopped: 12,

  // copy worker, metadata worker → main
  /** [job, read errno, mask of failed targets, first write errno]. */
  Copied: 20,
  /** [job, errno]. */
  MetadataDone: 21,

  // main → any worker
  /** [token, errno]: 0 is permission to look again (C-11), or the end of a flush. */
  Released: 40,
  /** [-, snapshot | epoch << 16, first new chunk lo, hi, count]. */
  Reserved: 47,
  /** [token, snapshot, chunk lo, hi, new chunk lo, hi, whole 0/1]: the worker writes this chunk itself (E-6). */
  Granted: 41,
  /** [-, gate]: a hold has ended. */
  GateOpened: 42,
  /** [token, gate]: the gate is closed and empty but for this write. */
  ExclusiveGranted: 43,
  /** [connection, fd]: serve this socket. */
  Adopt: 44,
  /** [sequence]: take one message from the port (a new snapshot's memory, a file). */
  Control: 45,
  /** [connection]: its time for a handshake is over; close it, unless it has entered meanwhile. */
  CutHandshake: 48,
  /** []: close the connections that hold memory and have not moved enough data in TRANSFER_MS, if somebody still waits. */
  Relieve: 49,
  /** [-, StopHow]: end: drain, answer Stopped, leave the loop. */
  Stop: 46,

  // main → copy worker; a CopyRead is followed by its CopyWrites in the same ring
  /** [job, file, position lo, hi, bytes, number of targets]. */
  CopyRead: 60,
  /** [job, file, position lo, hi, bytes, offset in the range that was read]. */
  CopyWrite: 61,

  // main → metadata worker; executed per job in the order of its parts, each part only if the one before succeeded
  /** [job, file, number of steps]. */
  MetadataJob: 62,
  /** [operation (IoOp), position lo, hi, bytes, arena offset or -1 for zeroes, 1 if durable (RWF_DSYNC)]. */
  MetadataStep: 63,
} as const;
/** A snapshot's index and its reserve epoch share a word. */
export const EPOCH_SHIFT = 16;
export const SNAPSHOT_MASK = 0xffff;

/**
 * How a worker stops: when everything is answered and read; when the operations under way have ended, whatever is not answered or not
 * read; without waiting for main, which cannot answer any more because another worker has died.
 */
export const StopHow = { Drain: 0, Cut: 1, Abandon: 2 } as const;
export type StopHow = (typeof StopHow)[keyof typeof StopHow];

/**
 * Why a worker has finished with a connection: the client left or was out of step; too many; its time was over; the machine has no
 * descriptor, or no memory, for it.
 */
export const CloseCause = { Ended: 0, NoRoom: 1, Handshake: 2, Transfer: 3, Shortage: 4 } as const;
export type CloseCause = (typeof CloseCause)[keyof typeof CloseCause];

export type Message = (typeof Message)[keyof typeof Message];
