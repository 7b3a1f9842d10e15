/**
 * A mounted folder whose files are objects of this process: whoever opens them talks to the test, through the real kernel.
 *
 *   snapring ── io_uring, preadv2, … ── kernel ── /dev/fuse ──▶ read ─▶ decode ─▶ LyingFile ─▶ reply, in any order
 *
 * Nothing is cached on the way (FOPEN_DIRECT_IO, no validity of attributes): a read or write is here before its call returns,
 * fsync and fdatasync come as FSYNC, a write with RWF_DSYNC carries O_DSYNC.
 *
 * The process that holds a folder must not touch its files by a synchronous call: it would wait for itself inside the kernel.
 * It takes root to mount. When the process ends, the kernel answers everybody with an error; `remove` unmounts.
 */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, read, writeSync } from "node:fs";
import type { TestContext } from "vitest";
import { makeScratch, type Scratch } from "../free-socket.ts";
import { runOk } from "../run-command.ts";
import * as wire from "./fuse-wire.ts";
import { FuseOp, type FuseRequest } from "./fuse-wire.ts";

const DEVICE = "/dev/fuse";
const ROOT_NODE = 1;
const ENOENT = 2;
const ENOSYS = 38;
const EOPNOTSUPP = 95;

/** A file of the folder. Errors are positive errno values. */
export interface LyingFile {
  readonly sizeBytes: number;
  read(offset: number, length: number): Promise<Uint8Array | number>;
  /** `data` is the callee's. */
  write(offset: number, data: Uint8Array, durable: boolean): Promise<number>;
  flush(): Promise<number>;
  /** Zeroes in a range that keeps its place. */
  zero(offset: number, length: number): Promise<number>;
  resize(sizeBytes: number): void;
}

/** Skip the test, saying why, where nothing can be mounted; fail where nothing may be left out. */
export function requireFuse(context: TestContext): void {
  const reason = process.getuid?.() !== 0 ? "it takes root to mount" : existsSync(DEVICE) ? "" : `no ${DEVICE}`;
  if (reason === "") return;
  if (process.env["SNAPRING_CI"] === "1") throw new Error(reason);
  context.skip(`a lying device cannot be made here: ${reason}`);
}

export class FuseFolder {
  readonly #scratch: Scratch;
  readonly #device: number;
  readonly #files = new Map<string, { readonly node: number; readonly file: LyingFile }>();
  /** By node and handle; a removed or replaced file lives on for those who have it open. */
  readonly #nodes = new Map<number, LyingFile>();
  readonly #makeFile: (name: string) => LyingFile;
  readonly #moved: (name: string, file: LyingFile | undefined) => void;
  readonly #flushed: () => void;
  readonly #reserves: boolean;
  readonly #before: (operation: number) => Promise<void> | undefined;
  /** By node and name, where files have any. */
  readonly #attributes: Map<string, Buffer> | undefined;
  #lastNode = ROOT_NODE;
  #closed = false;

  private constructor(scratch: Scratch, device: number, options: FolderOptions) {
    this.#scratch = scratch;
    this.#device = device;
    this.#makeFile = options.makeFile;
    this.#moved = options.moved ?? (() => undefined);
    this.#flushed = options.flushed ?? (() => undefined);
    this.#reserves = options.reserves ?? true;
    this.#before = options.before ?? (() => undefined);
    this.#attributes = options.attributes === true ? new Map() : undefined;
  }

  /** Mount it. */
  static async mount(options: FolderOptions): Promise<FuseFolder> {
    const scratch = await makeScratch();
    const device = openSync(DEVICE, "r+");
    const settings = "fd=3,rootmode=40000,user_id=0,group_id=0,allow_other";
    const mount = spawnSync("mount", ["-i", "-t", "fuse", "-o", settings, "snapring-test", scratch.path], {
      stdio: ["ignore", "pipe", "pipe", device],
      encoding: "utf8",
    });
    const folder = new FuseFolder(scratch, device, options);
    if (mount.status === 0) {
      folder.#receive(Buffer.alloc(wire.MAX_WRITE_BYTES + 8192));
      return folder;
    }
    closeSync(device);
    await scratch.remove();
    throw new Error(`mount failed: ${mount.error ?? mount.stderr}`);
  }

  path(name: string): string {
    return this.#scratch.file(name);
  }

  /** A file of this name is there from now on. */
  put(name: string, file: LyingFile): void {
    const node = ++this.#lastNode;
    this.#files.set(name, { node, file });
    this.#nodes.set(node, file);
  }

  /** The file that has the name at present. */
  file(name: string): LyingFile | undefined {
    return this.#files.get(name)?.file;
  }

  /** Nobody has a file open any more: unmount it. */
  async unmount(): Promise<void> {
    // What is still open becomes unreachable, not an obstacle.
    await runOk("umount", "--lazy", this.#scratch.path);
    this.#closed = true;
    closeSync(this.#device);
    await this.#scratch.remove();
  }

  #receive(buffer: Buffer): void {
    read(this.#device, buffer, 0, buffer.length, null, (error, length) => {
      if (this.#closed) return;
      if (error !== null) {
        // ENODEV: unmounted. EINTR and ENOENT: a request that was taken back.
        if (error.code === "EINTR" || error.code === "ENOENT" || error.code === "EAGAIN") this.#receive(buffer);
        return;
      }
      const bytes = buffer.subarray(0, length);
      const hung = this.#before(wire.decodeRequest(bytes).operation);
      const request = wire.decodeRequest(hung === undefined ? bytes : Buffer.from(bytes));
      // What an operation needs of the buffer it takes before it waits for anything.
      if (hung === undefined) void this.#answer(request);
      else void hung.then(() => this.#answer(request));
      this.#receive(buffer);
    });
  }

  async #answer(request: FuseRequest): Promise<void> {
    const { operation, unique } = request;
    const noReply = operation === FuseOp.Forget || operation === FuseOp.BatchForget || operation === FuseOp.Interrupt;
    if (noReply || operation === FuseOp.Destroy) return;
    const result = await this.#serve(request);
    const reply = typeof result === "number" ? wire.encodeReply(unique, result) : wire.encodeReply(unique, 0, result);
    if (this.#closed) return;
    try {
      writeSync(this.#device, reply);
    } catch (error) {
      // ENOENT: the caller was killed and waits no longer; ENODEV: unmounted.
      if (!["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }

  /** The body of the reply, or a positive errno. */
  #serve(request: FuseRequest): Uint8Array | number | Promise<Uint8Array | number> {
    const { operation, node, body } = request;
    switch (operation) {
      case FuseOp.Init:
        return wire.initReply(body);
      case FuseOp.Lookup:
        return this.#lookup(wire.namesIn(body, 0)[0]);
      case FuseOp.GetAttr:
        return wire.attributesReply(node, node === ROOT_NODE ? undefined : this.#fileOf(node).sizeBytes);
      case FuseOp.SetAttr:
        return this.#setAttributes(node, body);
      case FuseOp.Open:
        return wire.openReply(node);
      case FuseOp.Create:
        return this.#create(wire.namesIn(body, 16)[0]);
      case FuseOp.Rename:
      case FuseOp.Rename2:
        return this.#rename(...(wire.namesIn(body, operation === FuseOp.Rename ? 8 : 16) as [string, string]));
      case FuseOp.Unlink:
        return this.#unlink(wire.namesIn(body, 0)[0]);
      case FuseOp.Read:
      case FuseOp.Write:
        return this.#transfer(operation, body);
      case FuseOp.Fsync:
        return this.#flush(node);
      case FuseOp.Fallocate:
        return this.#allocate(node, body);
      case FuseOp.SetXattr:
      case FuseOp.GetXattr:
      case FuseOp.RemoveXattr:
        return this.#attributes === undefined ? ENOSYS : this.#attribute(request, this.#attributes);
      case FuseOp.StatFs:
        return wire.statFsReply();
      case FuseOp.OpenDir:
        return wire.openReply(0).fill(0, 8);
      case FuseOp.FsyncDir:
        this.#flushed();
        return Buffer.alloc(0);
      case FuseOp.Release:
      case FuseOp.ReleaseDir:
      case FuseOp.ReadDir:
        return Buffer.alloc(0);
      default:
        return ENOSYS;
    }
  }

  #fileOf(node: number): LyingFile {
    return this.#nodes.get(node) as LyingFile;
  }

  #lookup(name: string): Uint8Array | number {
    const entry = this.#files.get(name);
    return entry === undefined ? ENOENT : wire.entryReply(entry.node, entry.file.sizeBytes);
  }

  #create(name: string): Uint8Array {
    this.put(name, this.#makeFile(name));
    const entry = this.#files.get(name) as { node: number; file: LyingFile };
    return Buffer.concat([wire.entryReply(entry.node, entry.file.sizeBytes), wire.openReply(entry.node)]);
  }

  #rename(from: string, to: string): Uint8Array | number {
    const entry = this.#files.get(from);
    if (entry === undefined) return ENOENT;
    this.#files.delete(from);
    this.#files.set(to, entry);
    this.#moved(to, entry.file);
    return Buffer.alloc(0);
  }

  #unlink(name: string): Uint8Array | number {
    if (!this.#files.delete(name)) return ENOENT;
    this.#moved(name, undefined);
    return Buffer.alloc(0);
  }

  #setAttributes(node: number, body: Buffer): Uint8Array {
    const SIZE = 1 << 3;
    if ((body.readUInt32LE(0) & SIZE) !== 0) this.#fileOf(node).resize(Number(body.readBigUInt64LE(16)));
    return wire.attributesReply(node, this.#fileOf(node).sizeBytes);
  }

  #attribute({ operation, node, body }: FuseRequest, all: Map<string, Buffer>): Uint8Array | number {
    if (operation === FuseOp.GetXattr) return wire.attributeReply(body, all.get(`${node} ${wire.namesIn(body, 8)[0]}`));
    if (operation === FuseOp.RemoveXattr) {
      all.delete(`${node} ${wire.namesIn(body, 0)[0]}`);
      return Buffer.alloc(0);
    }
    const { name, value } = wire.decodeAttribute(body);
    all.set(`${node} ${name}`, value);
    return Buffer.alloc(0);
  }

  async #transfer(operation: number, body: Buffer): Promise<Uint8Array | number> {
    const { handle, offset, length, durable } = wire.decodeTransfer(body);
    const file = this.#fileOf(handle);
    if (operation === FuseOp.Read) return file.read(offset, length);
    const data = Uint8Array.from(body.subarray(wire.TRANSFER_BYTES, wire.TRANSFER_BYTES + length));
    const error = await file.write(offset, data, durable);
    return error === 0 ? wire.writtenReply(length) : error;
  }

  async #flush(node: number): Promise<Uint8Array | number> {
    const error = await this.#fileOf(node).flush();
    return error === 0 ? Buffer.alloc(0) : error;
  }

  /** Punching a hole and zeroing a range are the same here; reserving space is nothing. */
  async #allocate(node: number, body: Buffer): Promise<Uint8Array | number> {
    const [offset, length] = [8, 16].map((at) => Number(body.readBigUInt64LE(at))) as [number, number];
    const mode = body.readUInt32LE(24);
    const PUNCH_HOLE = 2;
    const ZERO_RANGE = 16;
    if ((mode & (PUNCH_HOLE | ZERO_RANGE)) === 0) return this.#reserves ? Buffer.alloc(0) : EOPNOTSUPP;
    const error = await this.#fileOf(node).zero(offset, length);
    return error === 0 ? Buffer.alloc(0) : error;
  }
}

export interface FolderOptions {
  /** For a file that a client of the folder creates. */
  readonly makeFile: (name: string) => LyingFile;
  /** A name stands for another file now, or for none. */
  readonly moved?: (name: string, file: LyingFile | undefined) => void;
  /** fsync of the folder: replacements so far are durable. */
  readonly flushed?: () => void;
  /** False: no file can have space reserved. */
  readonly reserves?: boolean;
  /** Each request waits for it: the whole file system hangs. */
  readonly before?: (operation: number) => Promise<void> | undefined;
  /** Files carry extended attributes. */
  readonly attributes?: boolean;
}
