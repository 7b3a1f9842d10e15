/**
 * A small file system of a test's own, that can be filled to the last block and emptied again.
 *
 *   tmpfs   mounted with a size                       the page cache, buffered
 *   ext4    in an image file, through a loop device    direct I/O where the engine chooses it; blocks are allocated on write
 *
 * It needs root. Where that is missing a test that calls `needSmallFileSystems` is skipped; with SNAPRING_CI=1 it fails instead.
 */
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, truncateSync, writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "vitest";
import type { Scratch } from "./free-socket.ts";
import { runCommand, runOk } from "./run-command.ts";

export type SmallKind = "tmpfs" | "ext4";

const BLOCK = 4096;
const MIB = 2 ** 20;

/** Skip the test where nothing can be mounted. */
export function needSmallFileSystems(skip: TestContext["skip"]): void {
  const can = process.getuid?.() === 0;
  if (!can && process.env["SNAPRING_CI"] === "1") throw new Error("only root can mount a file system");
  skip(!can, "only root can mount a file system");
}

export class SmallFileSystem {
  readonly path: string;
  readonly kind: SmallKind;
  /** Files that fill it, the large one among them. */
  #fillers = 0;

  private constructor(path: string, kind: SmallKind) {
    this.path = path;
    this.kind = kind;
  }

  /** Mounted in a folder of the scratch folder. */
  static async mount(scratch: Scratch, kind: SmallKind, megabytes: number): Promise<SmallFileSystem> {
    const path = scratch.file("small");
    await mkdir(path);
    if (kind === "tmpfs") {
      await runOk("mount", "-t", "tmpfs", "-o", `size=${megabytes}m`, "none", path);
    } else {
      const image = scratch.file("small.img");
      closeSync(openSync(image, "w"));
      truncateSync(image, megabytes * MIB);
      // No blocks are kept for root, and none are freed behind our back.
      await runOk("mkfs.ext4", "-q", "-m", "0", "-b", String(BLOCK), "-E", "lazy_itable_init=0", image);
      await runOk("mount", "-t", "ext4", "-o", "loop,nodiscard", image, path);
    }
    return new SmallFileSystem(path, kind);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Take every free block, but for so many. */
  fill(spareBlocks = 0): void {
    const filler = this.file("filler");
    // What ext4 holds ready for small files, one large file does not get.
    for (let i = 0; appendAll(i === 0 ? filler : `${filler}-${i}`, i === 0 ? MIB : BLOCK); i++) this.#fillers = i + 1;
    if (spareBlocks > 0) truncateSync(filler, statSync(filler).size - spareBlocks * BLOCK);
  }

  /** Room for everything again. */
  empty(): void {
    rmSync(this.file("filler"), { force: true });
    for (let i = 1; i <= this.#fillers; i++) rmSync(this.file(`filler-${i}`), { force: true });
    this.#fillers = 0;
  }

  /** Give back a part of a file, which reads as zeroes: a block of it must be found anew. */
  async punch(name: string, position: number, length: number): Promise<void> {
    await runOk("fallocate", "--punch-hole", "-o", String(position), "-l", String(length), this.file(name));
  }

  get freeBlocks(): number {
    return statfsSync(this.path).bavail;
  }

  async unmount(): Promise<void> {
    // A loop device may be busy for a moment.
    for (let i = 0; i < 50; i++) {
      if ((await runCommand("umount", this.path)).code === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${this.path} cannot be unmounted`);
  }
}

/** Write a file to the last block; false if there was none for it. */
function appendAll(path: string, most: number): boolean {
  const fd = openOrFull(path);
  if (fd === -1) return false;
  try {
    let more = false;
    for (let bytes = most; bytes >= BLOCK; bytes /= 2) while (append(fd, bytes)) more = true;
    fsyncSync(fd);
    return more;
  } finally {
    closeSync(fd);
  }
}

/** -1: there is not even room for a name. */
function openOrFull(path: string): number {
  try {
    return openSync(path, "a");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return -1;
    throw error;
  }
}

/** False where there is no room for it. */
function append(fd: number, bytes: number): boolean {
  try {
    return writeSync(fd, Buffer.alloc(bytes, 0xee)) > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return false;
    throw error;
  }
}
