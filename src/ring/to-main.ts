/**
 * What workers tell main: one declaration per message, from which the worker writes it and main reads it (message-field.ts).
 *
 * The volume, which stands beside the kind, and word 1, the token, are given to `begin`. Of a message about a request the token is the piece, which main
 * knows by its worker, too; where it is something else, the message says what. Snapshots and gates are numbered within their volume.
 */
import type { ChunkNeed } from "../base/chunk-need.ts";
import { highHalf, lowHalf, message, pair, word } from "./message-field.ts";
import type { CloseCause } from "./messages.ts";

// From export workers: what a request needs, or has done.

/** An origin write found a chunk that is not settled (C-10). */
export const NeedOrigin = message({ sector: pair(2), sectors: word(4) });

/** A snapshot write found no exception (C-12). */
export const NeedChunk = message({ snapshot: word(2), chunk: pair(3), how: word<ChunkNeed>(5) });

/** A flush or FUA wants everything up to it durable (C-13, C-14). */
export const NeedDurable = message({ snapshot: word(2), sequence: word(3) });

/** A write met the merging range (C-39). */
export const NeedRange = message({ snapshot: word(2) });

/** A granted chunk is written. */
export const Written = message({ snapshot: word(2), chunk: pair(3), error: word(5) });

/** Of no piece: a counter of tracked reads fell to 0 while main waits (C-5). */
export const Drained = message({ snapshot: word(2), bucket: word(3) });

/** Of no piece: this worker's count in a closed gate fell to 0. */
export const GateDrained = message({ gate: word(2) });

/** A write that must read, modify and write a device block alone (no other write in the gate, C-17). */
export const NeedExclusive = message({ gate: word(2) });

/** It is done. */
export const ExclusiveDone = message({ gate: word(2) });

/** Of no piece: the worker would have chunks in reserve (chunk-reserve.ts). */
export const NeedReserve = message({ snapshot: word(2), count: word(3) });

/** A reserved chunk is filled. Released answers it: 0: done, EAGAIN: look again (C-15). */
export const Claim = message({ snapshot: lowHalf(2), epoch: highHalf(2), chunk: pair(3), newChunk: pair(5) });

/** The same for an origin write, which has kept the old data there (C-16). */
export const ClaimOrigin: typeof Claim = Claim;

// From export workers: clients. The token is the connection.

/** The worker has finished with it; main closes it. Of no volume. */
export const ConnectionClosed = message({ cause: word<CloseCause>(2) });

/** Its handshake is over, it is in transmission, to this snapshot of the volume, or to LIVE_VOLUME. */
export const Entered = message({ snapshot: word(2) });

/** Of no connection: a client waits for memory that others hold; main answers with Relieve after TRANSFER_MS. Sent once until then. */
export const Waiting = message({});

// From any worker, about itself.

/** A control message from the port has been taken; where the machine refused what it takes, nothing was done. */
export const ControlTaken = message({ sequence: word(2), error: word(3) });

/** Nothing of a volume is under way in this export worker, and nobody is its client; so many requests of so many were cut (StopHow.Cut). */
export const VolumeStopped = message({ requests: word(2), clients: word(3) });

/** The loop has ended, nothing of this worker is under way. */
export const Stopped = message({});

// From copy workers and the metadata worker. The token is the job.

/**
 * A bit for each target that has ended since the job's last answer, and of these for each that was not written; an error number each, or 0. A job
 * has as many answers as it takes until all its targets have ended, as a rule one.
 */
export const Copied = message({
  endedTargets: word(2),
  readError: word(3),
  failedTargets: word(4),
  writeError: word(5),
});

export const MetadataDone = message({ error: word(2) });
