/**
 * The edge: one function that says of every decoded request whether it is executed, answered at once, or ends the connection.
 *
 * Behind it nobody checks again: an executed request has a known command, flags that the command allows, a range inside
 * the export, a length above 0 (for those that have a range), and at most MAX_PAYLOAD_BYTES of payload in either direction.
 * TRIM, WRITE_ZEROES and CACHE carry no payload, so their length may be anything up to the export's end (in extended requests more than 2^32 - 1).
 *
 *   judgeRequest ── Execute ──────▶ do it; a write's payload follows
 *                ── n ≥ 0 ────────▶ skip `payloadBytes(request)` bytes of the stream, then reply with error n
 *                ── Goodbye ──────▶ DISC: read nothing more, finish what is under way, close
 *                ── Disconnect ───▶ close: out of step, or a payload that is not worth reading
 *
 * Where the protocol leaves a choice:
 *  - A length of 0 inside the export succeeds without effect, as in qemu-nbd; nbdkit calls it out of range. Success is what
 *    a client expects that computes lengths.
 *  - A payload above the announced maximum is EINVAL (EOVERFLOW is reserved for commands without payload).
 *  - A trim beyond the end is EINVAL, as the protocol says, not ENOSPC as for the writes.
 *  - A flush with an offset or length is EINVAL, since these are reserved.
 *  - On a read-only export every modifying command is EPERM, before its range is looked at.
 */
import { MAX_PAYLOAD_BYTES, MAX_SKIPPED_PAYLOAD_BYTES } from "../../base/constants.ts";
import { errno } from "../../base/errno.ts";
import { type Dialect, SIMPLE } from "./dialect.ts";
import { Command, CommandFlag } from "./protocol.ts";
import type { RequestFields } from "./request.ts";

/** What to do with a request, where it is not an error number (≥ 0) to answer with. */
export const Verdict = { Execute: -1, Goodbye: -2, Disconnect: -3 } as const;

/** Bytes that follow the header in the stream, whether the request is executed or refused. */
export function payloadBytes(request: RequestFields): number {
  return request.hasPayload ? request.length : 0;
}

/** A Verdict, or the error number (positive; 0 for success) to answer with after the payload has been skipped. */
export function judgeRequest(
  request: RequestFields,
  exportBytes: number,
  readOnly: boolean,
  dialect: Pick<Dialect, "readFlags" | "writeFlags"> = SIMPLE,
): number {
  if (!request.magicOk) return Verdict.Disconnect;
  if (request.type === Command.Disconnect) return Verdict.Goodbye;
  if (payloadBytes(request) > MAX_SKIPPED_PAYLOAD_BYTES) return Verdict.Disconnect;
  if ((request.flags & ~allowedFlags(request.type, dialect)) !== 0) return errno.EINVAL;
  switch (request.type) {
    case Command.Read:
      return judgeRange(request, exportBytes, errno.EINVAL, MAX_PAYLOAD_BYTES);
    case Command.Cache:
      return judgeRange(request, exportBytes, errno.EINVAL, Number.POSITIVE_INFINITY);
    case Command.Write:
      if (readOnly) return errno.EPERM;
      return judgeRange(request, exportBytes, errno.ENOSPC, MAX_PAYLOAD_BYTES);
    case Command.WriteZeroes:
      if (readOnly) return errno.EPERM;
      return judgeRange(request, exportBytes, errno.ENOSPC, Number.POSITIVE_INFINITY);
    case Command.Trim:
      if (readOnly) return errno.EPERM;
      return judgeRange(request, exportBytes, errno.EINVAL, Number.POSITIVE_INFINITY);
    case Command.Flush:
      return request.offset === 0 && request.length === 0 ? Verdict.Execute : errno.EINVAL;
    default:
      return errno.EINVAL;
  }
}

/** FUA goes with every command (clients are known to set it on reads), NO_HOLE with WRITE_ZEROES, DF with READ; a payload's length with what has one. */
function allowedFlags(type: number, { readFlags, writeFlags }: Pick<Dialect, "readFlags" | "writeFlags">): number {
  switch (type) {
    case Command.WriteZeroes:
      return CommandFlag.Fua | CommandFlag.NoHole;
    case Command.Read:
      return CommandFlag.Fua | readFlags;
    case Command.Write:
      return CommandFlag.Fua | writeFlags;
    default:
      return CommandFlag.Fua;
  }
}

/** Written without a sum, which might round: the offset may be as large as 2^53 - 1, or Infinity. */
function judgeRange(request: RequestFields, exportBytes: number, beyond: number, lengthMax: number): number {
  if (request.offset > exportBytes) return beyond;
  if (request.length > exportBytes - request.offset) return beyond;
  if (request.length > lengthMax) return errno.EINVAL;
  return request.length === 0 ? 0 : Verdict.Execute;
}
