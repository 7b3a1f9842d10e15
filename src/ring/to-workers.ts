/**
 * What main tells workers: one declaration per message, from which main writes it and the worker reads it (message-field.ts).
 *
 * The volume, which stands beside the kind, and word 1, the token, are given to `begin`; who the token names is said at each. Snapshots and gates are
 * numbered within their volume, files within the engine (file-table.ts).
 */
import type { IoOp } from "./io-descriptor.ts";
import { flag, highHalf, lowHalf, message, pair, unsigned, word } from "./message-field.ts";
import type { StopHow } from "./messages.ts";

// To export workers: requests. The token is the piece.

/** 0 is permission to look again (C-11), or the end of a flush. */
export const Released = message({ error: word(2) });

/** The worker writes this chunk itself (E-6). */
export const Granted = message({ snapshot: word(2), chunk: pair(3), newChunk: pair(5), whole: flag(7) });

/** Of no piece: chunks that the worker has in reserve from now on. */
export const Reserved = message({ snapshot: lowHalf(2), epoch: highHalf(2), newChunk: pair(3), count: word(5) });

/** Of no piece: a hold has ended. */
export const GateOpened = message({ gate: word(2) });

/** The gate is closed and empty but for this write. */
export const ExclusiveGranted = message({ gate: word(2) });

// To export workers: clients. The token is the connection.

/** Serve this socket: with the exports of the volume, or with those of all volumes, under longer names. */
export const Adopt = message({ fd: word(2), all: flag(3) });

/** Its time for a handshake is over; close it, unless it has entered meanwhile. */
export const CutHandshake = message({});

/** Of no connection: close those that hold memory and have not moved enough data in TRANSFER_MS, if somebody still waits. */
export const Relieve = message({});

// To any worker, without a token.

/** Take one message from the port (a new snapshot's memory, a file). */
export const Control = message({ sequence: word(2) });

/** To export workers: the volume's clients end, and so do its requests; answer VolumeStopped. */
export const StopVolume = message({ how: word<StopHow>(2) });

/** End: drain, answer Stopped, leave the loop. */
export const Stop = message({ how: word<StopHow>(2) });

// To copy workers. The token is the job.

/** So many CopyWrites follow. `cow`: it reads a COW device and writes the origin (a merge), else the other way round. */
export const CopyRead = message({ file: word(2), position: pair(3), bytes: word(5), targets: word(6), cow: flag(7) });

/** `offset`: in the range that was read. */
export const CopyWrite = message({ file: word(2), position: pair(3), bytes: word(5), offset: word(6) });

// To the metadata worker. The token is the job; its parts are done in order, each only if the one before succeeded.

/** So many MetadataSteps follow. */
/** `shared`: jobs of other volumes may come while a device lets this one wait. */
export const MetadataBegin = message({ file: word(2), steps: word(3), shared: flag(4) });

/** `address`: in the arena, or -1 for zeroes. `durable`: RWF_DSYNC. Bytes are unsigned: two chunks of a gibibyte are 2^31. */
export const MetadataStep = message({
  operation: word<IoOp>(2),
  position: pair(3),
  bytes: unsigned(5),
  address: word(6),
  durable: flag(7),
});
