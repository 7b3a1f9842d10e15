/**
 * The bytes that the kernel and a file system in user space say to each other on /dev/fuse: protocol 7, little-endian.
 *
 *   request   u32 length │ u32 operation │ u64 unique │ u64 node │ u32 uid, gid, pid │ u32 …  │ body     (header: 40 bytes)
 *   reply     u32 length │ i32 -errno    │ u64 unique │ body                                             (header: 16 bytes)
 *
 * Only what a folder of a few files needs. All times are 0, everything is root's, and nothing may be cached.
 */
export const FuseOp = {
  Lookup: 1,
  Forget: 2,
  GetAttr: 3,
  SetAttr: 4,
  Unlink: 10,
  Rename: 12,
  Open: 14,
  Read: 15,
  Write: 16,
  StatFs: 17,
  Release: 18,
  Fsync: 20,
  SetXattr: 21,
  GetXattr: 22,
  RemoveXattr: 24,
  Init: 26,
  OpenDir: 27,
  ReadDir: 28,
  ReleaseDir: 29,
  FsyncDir: 30,
  Create: 35,
  Interrupt: 36,
  Destroy: 38,
  BatchForget: 42,
  Fallocate: 43,
  Rename2: 45,
} as const;

export const REQUEST_HEADER_BYTES = 40;
const REPLY_HEADER_BYTES = 16;

/** Largest write of one request; the kernel cuts longer ones. */
export const MAX_WRITE_BYTES: number = 256 * 1024;
const PAGE_BYTES = 4096;

// INIT: what we can do.
const ASYNC_READ = 1;
const BIG_WRITES = 1 << 5;
const ASYNC_DIO = 1 << 15;
const MAX_PAGES = 1 << 22;
const WANTED: number = ASYNC_READ | BIG_WRITES | ASYNC_DIO | MAX_PAGES;

// OPEN: every read and write comes here, and writes of one file come side by side.
const OPEN_DIRECT_IO = 1;
const OPEN_PARALLEL_DIRECT_WRITES = 1 << 6;

const FOLDER_MODE = 0o040_755;
const FILE_MODE = 0o100_644;

export interface FuseRequest {
  readonly operation: number;
  readonly unique: bigint;
  readonly node: number;
  /** Valid until the next request is read. */
  readonly body: Buffer;
}

export function decodeRequest(bytes: Buffer): FuseRequest {
  return {
    operation: bytes.readUInt32LE(4),
    unique: bytes.readBigUInt64LE(8),
    node: Number(bytes.readBigUInt64LE(16)),
    body: bytes.subarray(REQUEST_HEADER_BYTES, bytes.readUInt32LE(0)),
  };
}

/** `error`: 0 or a positive errno. */
export function encodeReply(unique: bigint, error: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const length = REPLY_HEADER_BYTES + (error === 0 ? body.length : 0);
  const reply = Buffer.alloc(length);
  reply.writeUInt32LE(length, 0);
  reply.writeInt32LE(-error, 4);
  reply.writeBigUInt64LE(unique, 8);
  if (error === 0) reply.set(body, REPLY_HEADER_BYTES);
  return reply;
}

export function initReply(request: Buffer): Buffer {
  const reply = Buffer.alloc(64);
  reply.writeUInt32LE(7, 0);
  reply.writeUInt32LE(31, 4);
  reply.writeUInt32LE(request.readUInt32LE(8), 8);
  reply.writeUInt32LE((request.readUInt32LE(12) & WANTED) >>> 0, 12);
  // Requests of the background (asynchronous direct I/O) that may be under way, and where the kernel calls it crowded.
  reply.writeUInt16LE(128, 16);
  reply.writeUInt16LE(96, 18);
  reply.writeUInt32LE(MAX_WRITE_BYTES, 20);
  reply.writeUInt32LE(1, 24);
  reply.writeUInt16LE(MAX_WRITE_BYTES / PAGE_BYTES, 28);
  return reply;
}

/** What stat shows; undefined: the folder itself. */
function attributes(node: number, sizeBytes: number | undefined): Buffer {
  const attr = Buffer.alloc(88);
  attr.writeBigUInt64LE(BigInt(node), 0);
  attr.writeBigUInt64LE(BigInt(sizeBytes ?? 0), 8);
  attr.writeBigUInt64LE(BigInt(Math.ceil((sizeBytes ?? 0) / 512)), 16);
  attr.writeUInt32LE(sizeBytes === undefined ? FOLDER_MODE : FILE_MODE, 60);
  attr.writeUInt32LE(1, 64);
  attr.writeUInt32LE(PAGE_BYTES, 80);
  return attr;
}

export function attributesReply(node: number, sizeBytes: number | undefined): Buffer {
  return Buffer.concat([Buffer.alloc(16), attributes(node, sizeBytes)]);
}

export function entryReply(node: number, sizeBytes: number): Buffer {
  const head = Buffer.alloc(40);
  head.writeBigUInt64LE(BigInt(node), 0);
  return Buffer.concat([head, attributes(node, sizeBytes)]);
}

export function openReply(handle: number): Buffer {
  const reply = Buffer.alloc(16);
  reply.writeBigUInt64LE(BigInt(handle), 0);
  reply.writeUInt32LE(OPEN_DIRECT_IO | OPEN_PARALLEL_DIRECT_WRITES, 8);
  return reply;
}

export function statFsReply(): Buffer {
  const reply = Buffer.alloc(80);
  for (const at of [0, 8, 16]) reply.writeBigUInt64LE(1n << 20n, at);
  reply.writeUInt32LE(PAGE_BYTES, 40);
  reply.writeUInt32LE(255, 44);
  reply.writeUInt32LE(PAGE_BYTES, 48);
  return reply;
}

export interface Transfer {
  readonly handle: number;
  readonly offset: number;
  readonly length: number;
  /** It must be durable when it is answered (O_DSYNC, O_SYNC, RWF_DSYNC). */
  readonly durable: boolean;
}

const O_DSYNC = 0o010_000;

/** Of READ and WRITE alike; a WRITE's data stands behind it. */
export function decodeTransfer(body: Buffer): Transfer {
  return {
    handle: Number(body.readBigUInt64LE(0)),
    offset: Number(body.readBigUInt64LE(8)),
    length: body.readUInt32LE(16),
    durable: (body.readUInt32LE(32) & O_DSYNC) !== 0,
  };
}

export const TRANSFER_BYTES = 40;

export function writtenReply(length: number): Buffer {
  const reply = Buffer.alloc(8);
  reply.writeUInt32LE(length, 0);
  return reply;
}

export interface AttributeSet {
  readonly name: string;
  readonly value: Buffer;
}

/** Of a SETXATTR. */
export function decodeAttribute(body: Buffer): AttributeSet {
  const name = namesIn(body, 8)[0];
  return { name, value: Buffer.from(body.subarray(8 + Buffer.byteLength(name) + 1).subarray(0, body.readUInt32LE(0))) };
}

/** Of a GETXATTR: the value, or its length where no room is given for it, or a positive errno. */
export function attributeReply(body: Buffer, value: Buffer | undefined): Buffer | number {
  const ENODATA = 61;
  const ERANGE = 34;
  const room = body.readUInt32LE(0);
  if (value === undefined) return ENODATA;
  if (room > 0) return value.length <= room ? value : ERANGE;
  const reply = Buffer.alloc(8);
  reply.writeUInt32LE(value.length, 0);
  return reply;
}

/** Names in a body, each ended by a zero byte. */
export function namesIn(body: Buffer, at: number): string[] {
  return body.toString("utf8", at).split("\0").slice(0, -1);
}
