/**
 * A request header, read out of received bytes without allocation.
 *
 * An export worker makes one `RequestFields` per connection (or one at all) and decodes every header into it; the bytes
 * stay where they were received, in the shared arena. Reading never fails: a wrong magic is a field like any other, and
 * `judgeRequest` (validate.ts) says what to do about it. The layout is drawn in protocol.ts.
 */
import { readU64BE } from "../../base/u64.ts";
import { REQUEST_MAGIC } from "./protocol.ts";

const MAGIC = 0;
const FLAGS = 4;
const TYPE = 6;
const COOKIE_HIGH = 8;
const COOKIE_LOW = 12;
const OFFSET = 16;
const LENGTH = 24;

export interface RequestFields {
  /** False: the stream is out of step, or the peer speaks something else. The other fields mean nothing then. */
  magicOk: boolean;
  /** CommandFlag bits, 16 bits. */
  flags: number;
  /** Command, 16 bits. */
  type: number;
  /** The client's name for the request, opaque: two int32 words that go back into the reply unchanged. */
  cookieLow: number;
  cookieHigh: number;
  /** Bytes; Infinity where it is above 2^53 - 1. */
  offset: number;
  /** Bytes, 32 bits unsigned. */
  length: number;
}

export function newRequestFields(): RequestFields {
  return { magicOk: false, flags: 0, type: 0, cookieLow: 0, cookieHigh: 0, offset: 0, length: 0 };
}

/** Fill `into` from the REQUEST_BYTES bytes at `at`, which must be inside the view. Returns `magicOk`. */
export function decodeRequest(view: DataView, at: number, into: RequestFields): boolean {
  into.magicOk = view.getInt32(at + MAGIC) === REQUEST_MAGIC;
  into.flags = view.getUint16(at + FLAGS);
  into.type = view.getUint16(at + TYPE);
  into.cookieHigh = view.getInt32(at + COOKIE_HIGH);
  into.cookieLow = view.getInt32(at + COOKIE_LOW);
  into.offset = readU64BE(view, at + OFFSET);
  into.length = view.getUint32(at + LENGTH);
  return into.magicOk;
}
