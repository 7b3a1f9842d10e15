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
const REQUEST_HEADER = 28;
const PADDING = 124;
const FUA = 1;
const NO_HOLE = 2;
const EINVAL = 22;
const ENOSPC = 28;

interface Handshake {
  readonly options: ExpectedOption[];
  entered: Reading["entered"];
  closesAt: number | undefined;
  graceful: boolean;
}

export function readStream(stream: Buffer, exports: readonly string[], sizeBytes: number): Reading {
  const handshake = readHandshake(stream, exports);
  if (handshake.entered === undefined) return { ...handshake, requests: [] };
  const requests: ExpectedRequest[] = [];
  let at = handshake.entered.end;
  while (at + REQUEST_HEADER <= stream.length) {
    const end = at + REQUEST_HEADER;
    const type = stream.readUInt16BE(at + 6);
    const length = stream.readUInt32BE(at + 24);
    const bad = stream.readUInt32BE(at) !== REQUEST_MAGIC || (type === Cmd.Write && length > MAX_SKIPPED_PAYLOAD_BYTES);
    if (bad) return { ...handshake, requests, closesAt: end, graceful: false };
    if (type === Cmd.Disc) return { ...handshake, requests, closesAt: end, graceful: true };
    const request = readRequest(stream, at, sizeBytes);
    requests.push(request);
    at = type === Cmd.Write ? end + length : end;
  }
  return { ...handshake, requests };
}

function readHandshake(stream: Buffer, exports: readonly string[]): Handshake {
  const found: Handshake = { options: [], entered: undefined, closesAt: undefined, graceful: false };
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
      (option === Opt.ExportName && length > MAX_EXPORT_NAME_BYTES);
    if (refused) return { ...found, closesAt: begin };
    const end = begin + length;
    if (end > stream.length) return found;
    const data = stream.subarray(begin, end);
    if (option === Opt.ExportName) {
      const name = exportOf(data, exports);
      if (name === undefined) return { ...found, closesAt: end };
      return { ...found, entered: { name, padding, end } };
    }
    const { outcome, name } = answerOf(option, data, exports);
    found.options.push({ option, outcome, end });
    if (option === Opt.Abort) return { ...found, closesAt: end, graceful: true };
    if (option === Opt.Go && name !== undefined) return { ...found, entered: { name, padding: -1, end } };
    at = end;
  }
  return found;
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

function readRequest(stream: Buffer, at: number, sizeBytes: number): ExpectedRequest {
  const flags = stream.readUInt16BE(at + 4);
  const type = stream.readUInt16BE(at + 6);
  const offset = stream.readBigUInt64BE(at + 16);
  const length = stream.readUInt32BE(at + 24);
  const errors = [errorOf(type, flags, offset, length, sizeBytes)];
  const end = at + REQUEST_HEADER + (type === Cmd.Write ? length : 0);
  const cookie = stream.readBigUInt64BE(at + 8);
  return { type, cookie, offset: Number(offset), length, errors, payloadAt: at + REQUEST_HEADER, end };
}

function errorOf(type: number, flags: number, offset: bigint, length: number, sizeBytes: number): number {
  const allowed = type === Cmd.WriteZeroes ? FUA | NO_HOLE : FUA;
  if ((flags & ~allowed) !== 0) return EINVAL;
  if (type === Cmd.Flush) return offset === 0n && length === 0 ? 0 : EINVAL;
  const known = [Cmd.Read, Cmd.Write, Cmd.Trim, Cmd.Cache, Cmd.WriteZeroes] as number[];
  if (!known.includes(type)) return EINVAL;
  if (offset + BigInt(length) > BigInt(sizeBytes))
    return type === Cmd.Write || type === Cmd.WriteZeroes ? ENOSPC : EINVAL;
  if ((type === Cmd.Read || type === Cmd.Write) && length > MAX_PAYLOAD_BYTES) return EINVAL;
  return 0;
}
