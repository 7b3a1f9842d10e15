/**
 * The three ways in which requests and replies are spoken: one object each, which every connection of that kind shares. It decides sizes, decoding and
 * encoding, and nothing else: the rest of the server does not know which one it is.
 *
 *   SIMPLE      28-byte requests   a reply is a header, and a read's data behind it
 *   STRUCTURED  28-byte requests   a read's reply is chunks of data, or of an error with a text; any other one is simple where it has gone well
 *   EXTENDED    32-byte requests   every reply is chunks, with headers of 32 bytes; lengths have 64 bits
 *
 *   before the data   simple      │ header 16 │ data │ data …                         one header for all parts (parts.ts): an error behind it has no place
 *                     structured  │ header 20 │ offset 8 │ data │ header 20 │ offset 8 │ data …
 *                     extended    │ header 32 │ offset 8 │ data │ …                   a client that wants no fragments (DF) gets one header here, too
 *
 * Headers are written into the shared arena, just before the data, or into a place of REPLY_BYTES_MAX bytes. Nothing is allocated.
 */
import { assert } from "../../base/assert.ts";
import { REPLY_BYTES_MAX } from "../../base/constants.ts";
import { writeU64BE } from "../../base/u64.ts";
import { errorText, ERROR_TEXT_BYTES_MAX } from "./error-text.ts";
import { nbdErrno } from "./nbd-errno.ts";
import {
  CHUNK_DONE,
  ChunkType,
  CommandFlag,
  DATA_OFFSET_BYTES,
  EXTENDED_CHUNK_BYTES,
  EXTENDED_REPLY_MAGIC,
  EXTENDED_REQUEST_BYTES,
  REQUEST_BYTES,
  SIMPLE_REPLY_BYTES,
  STRUCTURED_CHUNK_BYTES,
  STRUCTURED_REPLY_MAGIC,
} from "./protocol.ts";
import { encodeSimpleReply } from "./reply.ts";
import { decodeExtendedRequest, decodeRequest, type RequestFields } from "./request.ts";

/** A request, as far as replies to it need it. Bytes of the export. */
export interface Answered {
  readonly cookieLow: number;
  readonly cookieHigh: number;
  /** What the request's header had there, which may be beyond everything. */
  readonly offsetLow: number;
  readonly offsetHigh: number;
  /** Where all of it begins and ends. */
  readonly first: number;
  readonly last: number;
  /** Where the data of this part begins. */
  readonly offset: number;
}

export interface Dialect {
  /** Of a request's header. */
  readonly requestBytes: number;
  /** Flags that reads and writes may have, beside FUA. */
  readonly readFlags: number;
  readonly writeFlags: number;
  /** Of the header in front of data. */
  readonly dataHeaderBytes: number;
  /** Each part of a read that is sent part by part has a header, unless the client wants no fragments; else the first one's is for all. */
  readonly hasChunks: boolean;
  /** Fill `into` from the `requestBytes` at `at`. */
  decode(view: DataView, at: number, into: RequestFields): void;
  /** Write `dataHeaderBytes` at `at`: of data from the request's `offset` to `end`. */
  encodeData(view: DataView, at: number, to: Answered, end: number): void;
  /** Write a reply without data at `at`; how many bytes it has, REPLY_BYTES_MAX at most. `error`: of this machine, of either sign. `isRead`: it answers a read. */
  encodeEnd(view: DataView, at: number, to: Answered, error: number, isRead: boolean): number;
}

const ERROR_FIELDS_BYTES = 6;
const DONE: number = CHUNK_DONE << 16;
const DATA_DONE: number = DONE | ChunkType.OffsetData;
const NONE_DONE: number = DONE | ChunkType.None;
const ERROR_DONE: number = DONE | ChunkType.Error;
assert(EXTENDED_CHUNK_BYTES + ERROR_FIELDS_BYTES + ERROR_TEXT_BYTES_MAX <= REPLY_BYTES_MAX);

export const SIMPLE: Dialect = {
  requestBytes: REQUEST_BYTES,
  readFlags: 0,
  writeFlags: 0,
  dataHeaderBytes: SIMPLE_REPLY_BYTES,
  hasChunks: false,
  decode: decodeRequest,
  encodeData: (view, at, { cookieLow, cookieHigh }) => encodeSimpleReply(view, at, 0, cookieLow, cookieHigh),
  encodeEnd: (view, at, { cookieLow, cookieHigh }, error) => {
    encodeSimpleReply(view, at, error, cookieLow, cookieHigh);
    return SIMPLE_REPLY_BYTES;
  },
};

export const STRUCTURED: Dialect = {
  requestBytes: REQUEST_BYTES,
  readFlags: CommandFlag.DontFragment,
  writeFlags: 0,
  dataHeaderBytes: STRUCTURED_CHUNK_BYTES + DATA_OFFSET_BYTES,
  hasChunks: true,
  decode: decodeRequest,
  encodeData: (view, at, to, end) => {
    const length = DATA_OFFSET_BYTES + end - to.offset;
    structuredHeader(view, at, to, end === to.last ? DATA_DONE : ChunkType.OffsetData, length);
    writeU64BE(view, at + STRUCTURED_CHUNK_BYTES, to.offset);
  },
  encodeEnd: (view, at, to, error, isRead) => {
    if (error === 0 && !isRead) return SIMPLE.encodeEnd(view, at, to, 0, false);
    const length = encodeErrorFields(view, at + STRUCTURED_CHUNK_BYTES, error);
    structuredHeader(view, at, to, length === 0 ? NONE_DONE : ERROR_DONE, length);
    return STRUCTURED_CHUNK_BYTES + length;
  },
};

export const EXTENDED: Dialect = {
  requestBytes: EXTENDED_REQUEST_BYTES,
  readFlags: CommandFlag.DontFragment,
  writeFlags: CommandFlag.PayloadLength,
  dataHeaderBytes: EXTENDED_CHUNK_BYTES + DATA_OFFSET_BYTES,
  hasChunks: true,
  decode: decodeExtendedRequest,
  encodeData: (view, at, to, end) => {
    const length = DATA_OFFSET_BYTES + end - to.offset;
    extendedHeader(view, at, to, end === to.last ? DATA_DONE : ChunkType.OffsetData, length);
    writeU64BE(view, at + EXTENDED_CHUNK_BYTES, to.offset);
  },
  encodeEnd: (view, at, to, error) => {
    const length = encodeErrorFields(view, at + EXTENDED_CHUNK_BYTES, error);
    extendedHeader(view, at, to, length === 0 ? NONE_DONE : ERROR_DONE, length);
    return EXTENDED_CHUNK_BYTES + length;
  },
};

function structuredHeader(view: DataView, at: number, to: Answered, flagsAndType: number, length: number): void {
  view.setInt32(at, STRUCTURED_REPLY_MAGIC);
  view.setInt32(at + 4, flagsAndType);
  view.setInt32(at + 8, to.cookieHigh);
  view.setInt32(at + 12, to.cookieLow);
  view.setUint32(at + 16, length);
}

function extendedHeader(view: DataView, at: number, to: Answered, flagsAndType: number, length: number): void {
  view.setInt32(at, EXTENDED_REPLY_MAGIC);
  view.setInt32(at + 4, flagsAndType);
  view.setInt32(at + 8, to.cookieHigh);
  view.setInt32(at + 12, to.cookieLow);
  view.setInt32(at + 16, to.offsetHigh);
  view.setInt32(at + 20, to.offsetLow);
  writeU64BE(view, at + 24, length);
}

/** The payload of an ERROR chunk; nothing where there is none. Returns its length. */
function encodeErrorFields(view: DataView, at: number, error: number): number {
  if (error === 0) return 0;
  const code = nbdErrno(error);
  const text = errorText(code);
  view.setUint32(at, code);
  view.setUint16(at + 4, text.length);
  for (let i = 0; i < text.length; i++) view.setUint8(at + ERROR_FIELDS_BYTES + i, text[i]!);
  return ERROR_FIELDS_BYTES + text.length;
}
