/**
 * The server's half of NBD once more, as a reader of bytes: what a client's stream means, said before anybody is asked.
 *
 *   bytes of a client, whole ──▶ options in order, the export that is entered, requests, where the server must stop reading
 *
 * It is written from the protocol and from what docs and limits promise, and shares no code with src/nbd. Positions (`end`) are
 * those of the client's stream: what lies behind the bytes that were really sent did not happen. Where the protocol leaves a
 * choice the outcome lists every legal one.
 */
import {
  MAX_EXPORT_NAME_BYTES,
  MAX_OPTION_BYTES,
  MAX_OPTIONS,
  MAX_PAYLOAD_BYTES,
  MAX_SKIPPED_OPTION_BYTES,
  MAX_SKIPPED_PAYLOAD_BYTES,
} from "../../src/base/constants.ts";
import { Cmd } from "../support/nbd-client.ts";
import { Opt } from "../support/nbd-negotiation.ts";
import type { DialectName } from "../support/nbd-reply.ts";

export type OptionOutcome = "list" | "ack" | "error" | "info";

export interface ExpectedOption {
  readonly option: number;
  readonly outcome: OptionOutcome;
  readonly end: number;
}

export interface ExpectedRequest {
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: number;
  /** As it stands in the header. */
  readonly rawOffset: bigint;
  readonly length: number;
  /** 0 alone: it is executed. Else the error values of which one must be answered. */
  readonly errors: readonly number[];
  /** Of a write: its payload in the stream. */
  readonly payloadAt: number;
  /** So much of the stream makes it complete. */
  readonly end: number;
}

export interface Reading {
  readonly options: readonly ExpectedOption[];
  /** How requests and replies are spoken. */
  readonly dialect: DialectName;
  /** The export that is entered, in what way, and by how much of the stream. */
  readonly entered: { readonly name: string; readonly padding: number; readonly end: number } | undefined;
  readonly requests: readonly ExpectedRequest[];
  /** The server reads no further and closes. */
  readonly closesAt: number | undefined;
  /** It was asked to (ABORT, DISC): everything before is answered. */
  readonly graceful: boolean;
}

const FIXED_NEWSTYLE = 1;
const NO_ZEROES = 2;
const OPTION_MAGIC = 0x49484156454f5054n;
const REQUEST_MAGIC = 0x25609513;
const OPTION_HEADER = 16;
const EXTENDED_REQUEST_MAGIC = 0x21e41c71;
const PADDING = 124;
const FUA = 1;
const NO_HOLE = 2;
const DF = 4;
const PAYLOAD_LENGTH = 32;
const EINVAL = 22;
const ENOSPC = 28;

interface Handshake {
  readonly options: ExpectedOption[];
  dialect: DialectName;
  entered: Reading["entered"];
  closesAt: number | undefined;
  graceful: boolean;
}

export function readStream(stream: Buffer, exports: readonly string[], sizeBytes: number): Reading {
  const handshake = readHandshake(stream, exports);
  if (handshake.entered === undefined) return { ...handshake, requests: [] };
  const requests: ExpectedRequest[] = [];
  const { dialect } = handshake;
  const isExtended = dialect === "extended";
  const headerBytes = isExtended ? 32 : 28;
  const magic = isExtended ? EXTENDED_REQUEST_MAGIC : REQUEST_MAGIC;
  let at = handshake.entered.end;
  while (at + headerBytes <= stream.length) {
    const end = at + headerBytes;
    const header = readHeader(stream, at, isExtended);
    const isOutOfStep = stream.readUInt32BE(at) !== magic;
    if (!isOutOfStep && header.type === Cmd.Disc) return { ...handshake, requests, closesAt: end, graceful: true };
    if (isOutOfStep || header.payload > MAX_SKIPPED_PAYLOAD_BYTES)
      return { ...handshake, requests, closesAt: end, graceful: false };
    requests.push(readRequest(header, end, sizeBytes, dialect));
    at = end + Number(header.payload);
  }
  return { ...handshake, requests };
}

function readHandshake(stream: Buffer, exports: readonly string[]): Handshake {
  const found: Handshake = {
    ...{ options: [], dialect: "simple", entered: undefined, closesAt: undefined, graceful: false },
  };
  if (stream.length < 4) return found;
  const flags = stream.readUInt32BE(0);
  if ((flags & ~(FIXED_NEWSTYLE | NO_ZEROES)) !== 0) return { ...found, closesAt: 4 };
  const padding = (flags & NO_ZEROES) === 0 ? PADDING : 0;
  for (let at = 4, count = 1; at + OPTION_HEADER <= stream.length; count++) {
    const begin = at + OPTION_HEADER;
    const option = stream.readUInt32BE(at + 8);
    const length = stream.readUInt32BE(at + 12);
    const refused =
      stream.readBigUInt64BE(at) !== OPTION_MAGIC ||
      count > MAX_OPTIONS ||
      length > MAX_SKIPPED_OPTION_BYTES ||
      (option === Opt.ExportName && (length > MAX_EXPORT_NAME_BYTES || found.dialect === "extended"));
    if (refused) return { ...found, closesAt: begin };
    const end = begin + length;
    if (end > stream.length) return found;
    const data = stream.subarray(begin, end);
    if (option === Opt.ExportName) {
      const name = exportOf(data, exports);
      if (name === undefined) return { ...found, closesAt: end };
      return { ...found, entered: { name, padding, end } };
    }
    const chosen = dialectOf(option, data, found.dialect);
    const { outcome, name } = chosen === undefined ? answerOf(option, data, exports) : { outcome: "ack" as const };
    found.dialect = chosen ?? found.dialect;
    found.options.push({ option, outcome, end });
    if (option === Opt.Abort) return { ...found, closesAt: end, graceful: true };
    if (option === Opt.Go && name !== undefined) return { ...found, entered: { name, padding: -1, end } };
    at = end;
  }
  return found;
}

/** What this option brings about; undefined: nothing. */
function dialectOf(option: number, data: Buffer, now: DialectName): DialectName | undefined {
  if (data.length > 0 || now === "extended") return undefined;
  if (option === Opt.ExtendedHeaders) return "extended";
  return option === Opt.StructuredReply && now === "simple" ? "structured" : undefined;
}

function answerOf(option: number, data: Buffer, exports: readonly string[]): { outcome: OptionOutcome; name?: string } {
  if (option === Opt.Abort) return { outcome: "ack" };
  if (option === Opt.List) return { outcome: data.length === 0 ? "list" : "error" };
  if (option !== Opt.Info && option !== Opt.Go) return { outcome: "error" };
  if (data.length < 6 || data.length > MAX_OPTION_BYTES) return { outcome: "error" };
  const length = data.readUInt32BE(0);
  if (length > data.length - 6 || length > MAX_EXPORT_NAME_BYTES) return { outcome: "error" };
  const kinds = data.readUInt16BE(4 + length);
  if (data.length !== 6 + length + 2 * kinds) return { outcome: "error" };
  const name = exportOf(data.subarray(4, 4 + length), exports);
  return name === undefined ? { outcome: "error" } : { outcome: "info", name };
}

/** The name under which the model knows it. */
function exportOf(bytes: Buffer, exports: readonly string[]): string | undefined {
  if (bytes.length === 0) return "origin";
  return exports.find((name) => Buffer.from(name).equals(bytes));
}

interface Header {
  readonly type: number;
  readonly flags: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: bigint;
  /** Bytes that follow it. */
  readonly payload: bigint;
}

function readHeader(stream: Buffer, at: number, isExtended: boolean): Header {
  const [flags, type] = [stream.readUInt16BE(at + 4), stream.readUInt16BE(at + 6)];
  const length = isExtended ? stream.readBigUInt64BE(at + 24) : BigInt(stream.readUInt32BE(at + 24));
  const hasPayload = type === Cmd.Write || (isExtended && (flags & PAYLOAD_LENGTH) !== 0);
  const [cookie, offset] = [stream.readBigUInt64BE(at + 8), stream.readBigUInt64BE(at + 16)];
  return { type, flags, cookie, offset, length, payload: hasPayload ? length : 0n };
}

function readRequest(header: Header, payloadAt: number, sizeBytes: number, dialect: DialectName): ExpectedRequest {
  const { type, cookie, offset, length, payload } = header;
  const errors = [errorOf(header, sizeBytes, dialect)];
  const end = payloadAt + Number(payload);
  return { type, cookie, offset: Number(offset), rawOffset: offset, length: Number(length), errors, payloadAt, end };
}

function flagsOf(type: number, dialect: DialectName): number {
  if (type === Cmd.WriteZeroes) return FUA | NO_HOLE;
  if (type === Cmd.Read && dialect !== "simple") return FUA | DF;
  if (type === Cmd.Write && dialect === "extended") return FUA | PAYLOAD_LENGTH;
  return FUA;
}

function errorOf({ type, flags, offset, length }: Header, sizeBytes: number, dialect: DialectName): number {
  if ((flags & ~flagsOf(type, dialect)) !== 0) return EINVAL;
  if (type === Cmd.Flush) return offset === 0n && length === 0n ? 0 : EINVAL;
  const known = [Cmd.Read, Cmd.Write, Cmd.Trim, Cmd.Cache, Cmd.WriteZeroes] as number[];
  if (!known.includes(type)) return EINVAL;
  if (offset + length > BigInt(sizeBytes)) return type === Cmd.Write || type === Cmd.WriteZeroes ? ENOSPC : EINVAL;
  if ((type === Cmd.Read || type === Cmd.Write) && length > MAX_PAYLOAD_BYTES) return EINVAL;
  return 0;
}
