/**
 * A request header, read out of received bytes without allocation.
 *
 * An export worker makes one `RequestFields` per connection (or one at all) and decodes every header into it; the bytes
 * stay where they were received, in the shared arena. Reading never fails: a wrong magic is a field like any other, and
 * `judgeRequest` (validate.ts) says what to do about it. The layout is drawn in protocol.ts.
 */
import { readU64BE } from "../../base/u64.ts";
import { Command, CommandFlag, EXTENDED_REQUEST_MAGIC, REQUEST_MAGIC } from "./protocol.ts";

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
  /** The same as it stands there, in words: of an extended request it goes back into the reply. */
  offsetLow: number;
  offsetHigh: number;
  /** Bytes: 32 bits unsigned; of an extended request 64 bits, Infinity where it is above 2^53 - 1. */
  length: number;
  /** So many bytes follow it in the stream. */
  hasPayload: boolean;
}

const NOWHERE = { offset: 0, offsetLow: 0, offsetHigh: 0 };

export function newRequestFields(): RequestFields {
  return { magicOk: false, flags: 0, type: 0, cookieLow: 0, cookieHigh: 0, ...NOWHERE, length: 0, hasPayload: false };
}

/** The same of EXTENDED_REQUEST_BYTES. */
export function decodeExtendedRequest(view: DataView, at: number, into: RequestFields): boolean {
  into.magicOk = view.getInt32(at + MAGIC) === EXTENDED_REQUEST_MAGIC;
  into.flags = view.getUint16(at + FLAGS);
  into.type = view.getUint16(at + TYPE);
  into.cookieHigh = view.getInt32(at + COOKIE_HIGH);
  into.cookieLow = view.getInt32(at + COOKIE_LOW);
  into.offset = readU64BE(view, at + OFFSET);
  into.offsetHigh = view.getInt32(at + OFFSET);
  into.offsetLow = view.getInt32(at + OFFSET + 4);
  into.length = readU64BE(view, at + LENGTH);
  // A write has its payload whether it says so or not; of anything else one that is announced has to be thrown away.
  into.hasPayload = into.type === Command.Write || (into.flags & CommandFlag.PayloadLength) !== 0;
  return into.magicOk;
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
  into.hasPayload = into.type === Command.Write;
  return into.magicOk;
}
