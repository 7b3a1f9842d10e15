/**
 * A ring over node:fs with an arena, for the tests: descriptors by name, completions as objects, files and sockets that go away
 * afterwards.
 */
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { highWord, lowWord } from "../../../src/base/u64.ts";
import { NodeRing } from "../../../src/device/node-ring.ts";
import { FileKind } from "../../../src/device/port.ts";
import { newSharedPages } from "../../../src/device/shared-pages.ts";
import { COMPLETION_WORDS, DESCRIPTOR_WORDS, IoFlag, IoOp } from "../../../src/ring/io-descriptor.ts";

export const PAGE = 4096;
export const ARENA_BYTES: number = 4 * 1024 * 1024;

export interface Descriptor {
  readonly op: number;
  readonly file?: number;
  readonly user?: number;
  readonly at?: number;
  readonly length?: number;
  readonly position?: number;
  readonly argument?: number;
  readonly length2?: number;
  readonly link?: boolean;
  /** Flags that are none of ours. */
  readonly flags?: number;
}

export interface Done {
  readonly user: number;
  readonly result: number;
}

const GUARD = { op: IoOp.Timeout, user: 0x7fff_ffff, argument: 60_000_000 };

export type Behaviour = "echo" | "slow echo" | "close" | "late";

export class NodeBench implements AsyncDisposable {
  readonly ring: NodeRing;
  readonly arena: Uint8Array;
  readonly words: Uint32Array;
  readonly wake = new Int32Array(new SharedArrayBuffer(4));
  readonly #folder = mkdtempSync(join(tmpdir(), "snapring-node-ring-"));
  readonly #fds: number[] = [];
  #guarded = false;
  readonly #closers: (() => Promise<unknown>)[] = [];

  constructor(capacity = 64) {
    const arena = newSharedPages(ARENA_BYTES);
    this.ring = new NodeRing({ arena, capacity, files: 16, wake: this.wake });
    this.arena = new Uint8Array(arena);
    this.words = new Uint32Array(arena);
  }

  /** A file of `bytes` bytes of `fill`, at `index` of the file table. Returns its descriptor. */
  file(index: number, bytes: number, fill = 0x61, flags: number = constants.O_RDWR): number {
    const path = join(this.#folder, `file-${index}`);
    writeFileSync(path, Buffer.alloc(bytes, fill));
    const fd = openSync(path, flags);
    this.#fds.push(fd);
    this.ring.setFile(index, fd, FileKind.Async);
    return fd;
  }

  /** A socket at `index`, whose peer is a thread. */
  async socket(index: number, behaviour: Behaviour): Promise<void> {
    const path = join(this.#folder, `socket-${index}`);
    const server: Server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const worker = new Worker(new URL("./socket-peer.mjs", import.meta.url), { workerData: { path, behaviour } });
    const socket = await accepted;
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    this.ring.setFile(index, fd, FileKind.Socket);
    this.#closers.push(async () => {
      socket.destroy();
      await worker.terminate();
      await new Promise((resolve) => server.close(resolve));
    });
  }

  /** Put (offset, length) pairs at an arena offset. */
  vector(at: number, entries: readonly (readonly [number, number])[]): number {
    entries.forEach(([offset, length], i) => {
      this.words[at / 4 + 2 * i] = offset;
      this.words[at / 4 + 2 * i + 1] = length;
    });
    return entries.length;
  }

  /** One turn. */
  turn(descriptors: readonly Descriptor[], wait: boolean): Done[] {
    descriptors.forEach((d, i) => {
      const flags = (d.link === true ? IoFlag.Link : 0) | (d.flags ?? 0);
      const position = d.position ?? 0;
      const length2 = d.length2 ?? 0;
      const words = [d.op | (flags << 8), d.file ?? 0, d.user ?? i, d.at ?? 0, d.length ?? 0];
      words.push(lowWord(position), highWord(position), d.argument ?? 0, lowWord(length2), highWord(length2));
      const base = i * DESCRIPTOR_WORDS;
      this.ring.submissions.fill(0, base, base + DESCRIPTOR_WORDS);
      this.ring.submissions.set(words, base);
    });
    const count = this.ring.turn(descriptors.length, wait);
    const { completions } = this.ring;
    const done = Array.from({ length: count }, (_, i) => ({
      user: completions[i * COMPLETION_WORDS],
      result: completions[i * COMPLETION_WORDS + 1],
    }));
    if (done.some(({ user }) => user === GUARD.user)) throw new Error("what should complete does not");
    return done;
  }

  /** Turns until `count` operations (as a rule: as many as are given) have completed; sorted by user. */
  run(descriptors: readonly Descriptor[], count: number = descriptors.length): Done[] {
    // No test runner can end a thread that sleeps in its ring: a timeout of the ring's own does.
    const guarded = this.#guarded || descriptors.length === this.ring.capacity;
    const all = this.turn(guarded ? descriptors : [...descriptors, GUARD], true);
    this.#guarded ||= !guarded;
    while (all.length < count) all.push(...this.turn([], true));
    return all.sort((a, b) => a.user - b.user);
  }

  results(descriptors: readonly Descriptor[]): number[] {
    return this.run(descriptors).map((done) => done.result);
  }

  text(at: number, length: number): string {
    return Buffer.from(this.arena.slice(at, at + length)).toString("latin1");
  }

  write(at: number, text: string): number {
    this.arena.set(Buffer.from(text, "latin1"), at);
    return text.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ring.close();
    for (const close of this.#closers) await close();
    for (const fd of this.#fds) closeSync(fd);
    rmSync(this.#folder, { recursive: true });
  }
}

export function onDisk(fd: number, length: number, position: number): string {
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, position);
  return bytes.toString("latin1");
}
