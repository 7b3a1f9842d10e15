/**
 * A native ring with an arena, for the tests: descriptors by name, completions as objects, files that go away afterwards.
 */
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadNative } from "../../src/device/native.ts";
import type { Native } from "../../src/device/native.ts";
import { createNativeRing } from "../../src/device/native-ring.ts";
import type { NativeRing, NativeRingMode } from "../../src/device/native-ring.ts";
import { FileKind } from "../../src/device/port.ts";
import { newSharedPages } from "../../src/device/shared-pages.ts";
import { highWord, lowWord } from "../../src/base/u64.ts";
import { COMPLETION_WORDS, DESCRIPTOR_WORDS, IoFlag, IoOp } from "../../src/ring/io-descriptor.ts";

export const PAGE = 4096;
export const ARENA_BYTES: number = 1024 * 1024;

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

export interface BenchOptions {
  readonly capacity?: number;
  readonly files?: number;
  readonly registeredBytes?: number;
  readonly queueEntries?: number;
  readonly arenaBytes?: number;
}

export function addon(): Native {
  const { native, reason } = loadNative();
  if (native === undefined) throw new Error(reason);
  return native;
}

/** For describe.each: both kinds of ring, or the one that this machine permits. */
export function modes(): NativeRingMode[] {
  return addon().probe() === 0 ? ["uring", "poll"] : ["poll"];
}

export class RingBench implements Disposable {
  readonly ring: NativeRing;
  readonly arena: Uint8Array;
  readonly words: Uint32Array;
  readonly #folder = mkdtempSync(join(tmpdir(), "snapring-ring-"));
  readonly #fds: number[] = [];

  constructor(mode: NativeRingMode, options: BenchOptions = {}) {
    const arena = newSharedPages(options.arenaBytes ?? ARENA_BYTES);
    const { capacity = 64, files = 16, registeredBytes = ARENA_BYTES / 2, queueEntries } = options;
    this.ring = createNativeRing({ arena, capacity, files, registeredBytes, mode, queueEntries });
    this.arena = new Uint8Array(arena);
    this.words = new Uint32Array(arena);
  }

  /** A file of `bytes` bytes of `fill`, at `index` of the file table. Returns its descriptor. */
  file(
    index: number,
    bytes: number,
    fill = 0x61,
    kind: number = FileKind.Async,
    flags: number = constants.O_RDWR,
  ): number {
    const path = join(this.#folder, `file-${index}`);
    writeFileSync(path, Buffer.alloc(bytes, fill));
    const fd = this.keep(openSync(path, flags));
    this.ring.setFile(index, fd, kind as FileKind);
    return fd;
  }

  /** Two connected sockets, at `index` and `index + 1`. */
  sockets(index: number): [number, number] {
    const pair = addon().socketPair();
    if (typeof pair === "number") throw new Error(`socketpair: ${pair}`);
    pair.forEach((fd, i) => {
      this.ring.setFile(index + i, this.keep(fd), FileKind.Socket);
    });
    return pair;
  }

  event(index: number): number {
    const fd = this.keep(addon().createEvent());
    this.ring.setFile(index, fd, FileKind.Event);
    return fd;
  }

  keep(fd: number): number {
    this.#fds.push(fd);
    return fd;
  }

  /** Close a descriptor now. */
  close(fd: number): void {
    this.#fds.splice(this.#fds.indexOf(fd), 1);
    closeSync(fd);
  }

  /** Put (offset, length) pairs at an arena offset. */
  vector(at: number, entries: readonly (readonly [number, number])[]): number {
    entries.forEach(([offset, length], i) => {
      this.words[at / 4 + 2 * i] = offset;
      this.words[at / 4 + 2 * i + 1] = length;
    });
    return entries.length;
  }

  put(index: number, d: Descriptor): void {
    const flags = (d.link === true ? IoFlag.Link : 0) | (d.flags ?? 0);
    const position = d.position ?? 0;
    const length2 = d.length2 ?? 0;
    const words = [d.op | (flags << 8), d.file ?? 0, d.user ?? index, d.at ?? 0, d.length ?? 0];
    words.push(lowWord(position), highWord(position), d.argument ?? 0, lowWord(length2), highWord(length2));
    const base = index * DESCRIPTOR_WORDS;
    this.ring.submissions.fill(0, base, base + DESCRIPTOR_WORDS);
    this.ring.submissions.set(words, base);
  }

  /** One turn. */
  turn(descriptors: readonly Descriptor[], wait: boolean): Done[] {
    descriptors.forEach((d, i) => {
      this.put(i, d);
    });
    return this.done(this.ring.turn(descriptors.length, wait));
  }

  /** Turns until `count` operations (as a rule: as many as are given) have completed; sorted by user. */
  run(descriptors: readonly Descriptor[], count: number = descriptors.length): Done[] {
    const all = this.turn(descriptors, count > 0);
    while (all.length < count) all.push(...this.turn([], true));
    return all.sort((a, b) => a.user - b.user);
  }

  results(descriptors: readonly Descriptor[]): number[] {
    return this.run(descriptors).map((done) => done.result);
  }

  done(count: number): Done[] {
    const words = this.ring.completions;
    return Array.from({ length: count }, (_, i) => ({
      user: words[i * COMPLETION_WORDS],
      result: words[i * COMPLETION_WORDS + 1],
    }));
  }

  text(at: number, length: number): string {
    return Buffer.from(this.arena.slice(at, at + length)).toString("latin1");
  }

  write(at: number, text: string): number {
    this.arena.set(Buffer.from(text, "latin1"), at);
    return text.length;
  }

  [Symbol.dispose](): void {
    this.ring.close();
    for (const fd of this.#fds) closeSync(fd);
    rmSync(this.#folder, { recursive: true });
  }
}

export function nop(user: number, link = false): Descriptor {
  return { op: IoOp.Nop, user, link };
}
