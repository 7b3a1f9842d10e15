/**
 * The simple reply: the only kind for clients who have chosen no other (dialect.ts).
 *
 * The header is written into the shared arena just before its payload, so that both leave in one piece. It carries the
 * cookie's words exactly as `decodeRequest` read them. The layout is drawn in protocol.ts.
 */
import { nbdErrno } from "./nbd-errno.ts";
import { SIMPLE_REPLY_MAGIC } from "./protocol.ts";

const MAGIC = 0;
const ERROR = 4;
const COOKIE_HIGH = 8;
const COOKIE_LOW = 12;

/**
 * Write SIMPLE_REPLY_BYTES bytes at `at`. `error` is an error number of this machine, of either sign, 0 for success; it is
 * mapped here, so that no caller can forget it. A reply with an error is never followed by a payload.
 */
export function encodeSimpleReply(
  view: DataView,
  at: number,
  error: number,
  cookieLow: number,
  cookieHigh: number,
): void {
  view.setInt32(at + MAGIC, SIMPLE_REPLY_MAGIC);
  view.setInt32(at + ERROR, nbdErrno(error));
  view.setInt32(at + COOKIE_HIGH, cookieHigh);
  view.setInt32(at + COOKIE_LOW, cookieLow);
}
