/**
 * What a server sends in transmission, piece by piece, in each of the three dialects: a simple reply, or one chunk of a reply.
 *
 * Like nbd-client.ts it shares nothing with the code under test: the numbers are written out again. What no server may send throws.
 */
import type { ByteStream } from "./byte-stream.ts";

export type DialectName = "simple" | "structured" | "extended";

export interface ReplyPiece {
  readonly cookie: bigint;
  /** Of an extended chunk: where its request begins, as that said it. */
  readonly requestOffset: bigint | undefined;
  /** Nothing of this reply comes behind it. */
  readonly done: boolean;
  /** The error value; 0: none. */
  readonly error: number;
  /** What the server says of the error. */
  readonly text: string;
  /** Of data in a chunk: where it belongs; undefined: it is the whole of what was read. */
  readonly at: number | undefined;
  readonly data: Buffer;
}

const SIMPLE = 0x67446698;
const STRUCTURED = 0x668e33ef;
const EXTENDED = 0x6e8a278c;
const DONE = 1;
const [NONE, OFFSET_DATA, ERROR] = [0, 1, 0x8001];
const EMPTY = Buffer.alloc(0);

/** What is known of the request that a simple reply, or a chunk, answers. */
export interface Asked {
  /** Bytes of data that a simple reply without an error has; -1: there must be none, a read's reply is chunks. */
  readonly length: number;
  /** What an extended chunk may say of the request's offset. */
  readonly offsets: readonly bigint[];
}

export async function receivePiece(
  stream: ByteStream,
  dialect: DialectName,
  asked: (cookie: bigint, error: number | undefined) => Asked,
): Promise<ReplyPiece> {
  const start = await stream.receive(16);
  const magic = start.readUInt32BE(0);
  if (magic === SIMPLE && dialect !== "extended") return await simpleReply(stream, start, dialect, asked);
  const isLegal = (magic === STRUCTURED && dialect === "structured") || (magic === EXTENDED && dialect === "extended");
  if (!isLegal) throw new Error(`not a reply of the ${dialect} dialect: ${start.toString("hex")}`);
  const [flags, type, cookie] = [start.readUInt16BE(4), start.readUInt16BE(6), start.readBigUInt64BE(8)];
  if ((flags & ~DONE) !== 0) throw new Error(`a chunk with flags ${flags}`);
  let length: number;
  let requestOffset: bigint | undefined;
  if (dialect === "extended") {
    const rest = await stream.receive(16);
    requestOffset = rest.readBigUInt64BE(0);
    if (!asked(cookie, undefined).offsets.includes(requestOffset))
      throw new Error("a chunk with another request's offset");
    length = Number(rest.readBigUInt64BE(8));
  } else length = (await stream.receive(4)).readUInt32BE(0);
  const payload = length === 0 ? EMPTY : await stream.receive(length);
  return { cookie, requestOffset, done: (flags & DONE) !== 0, ...chunk(type, payload) };
}

async function simpleReply(
  stream: ByteStream,
  start: Buffer,
  dialect: DialectName,
  asked: (cookie: bigint, error: number | undefined) => Asked,
): Promise<ReplyPiece> {
  const [error, cookie] = [start.readUInt32BE(4), start.readBigUInt64BE(8)];
  const { length } = asked(cookie, error);
  if (length < 0 && dialect === "structured") throw new Error("a simple reply to a read");
  const data = error === 0 && length > 0 ? await stream.receive(length) : EMPTY;
  return { cookie, requestOffset: undefined, done: true, error, text: "", at: undefined, data };
}

function chunk(type: number, payload: Buffer): Pick<ReplyPiece, "error" | "text" | "at" | "data"> {
  switch (type) {
    case NONE:
      if (payload.length > 0) throw new Error("a chunk NONE with a payload");
      return { error: 0, text: "", at: undefined, data: EMPTY };
    case OFFSET_DATA:
      if (payload.length <= 8) throw new Error("a chunk OFFSET_DATA without data");
      return { error: 0, text: "", at: Number(payload.readBigUInt64BE(0)), data: payload.subarray(8) };
    case ERROR: {
      const [error, length] = [payload.readUInt32BE(0), payload.readUInt16BE(4)];
      if (error === 0 || payload.length !== 6 + length)
        throw new Error(`a malformed error: ${payload.toString("hex")}`);
      return { error, text: payload.toString("utf8", 6), at: undefined, data: EMPTY };
    }
    default:
      throw new Error(`a chunk of type ${type}`);
  }
}
