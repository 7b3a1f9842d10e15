/**
 * A small file system of a test's own, that can be filled to the last block and emptied again.
 *
 *   tmpfs   mounted with a size                       the page cache, buffered
 *   ext4    in an image file, through a loop device    direct I/O where the engine chooses it; blocks are allocated on write
 *   ext3, xfs, btrfs                                   likewise, with what the others lack: no fallocate; blocks copied on write
 *   overlay on one of these                            what a container's files lie on
 *
 * It needs root. Where that is missing a test that calls `needSmallFileSystems` is skipped; with SNAPRING_CI=1 it fails instead. So it is
 * with a program that makes a kind; a kernel that does not have the kind is a reason to skip anywhere.
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "vitest";
import type { Scratch } from "./free-socket.ts";
import { runCommand, runOk } from "./run-command.ts";

export type SmallKind = "tmpfs" | "ext4" | "ext3" | "xfs" | "btrfs";

const BLOCK = 4096;
const MIB = 2 ** 20;

/** What each of them cannot be smaller than. */
export const MEGABYTES_MIN: Readonly<Record<SmallKind, number>> = { tmpfs: 1, ext4: 8, ext3: 8, xfs: 300, btrfs: 128 };

const MAKERS: Readonly<Record<Exclude<SmallKind, "tmpfs">, readonly string[]>> = {
  // No blocks are kept for root, and none are freed behind our back.
  ext4: ["mkfs.ext4", "-q", "-m", "0", "-b", String(BLOCK), "-E", "lazy_itable_init=0"],
  ext3: ["mkfs.ext3", "-q", "-m", "0", "-b", String(BLOCK)],
  xfs: ["mkfs.xfs", "-q"],
  btrfs: ["mkfs.btrfs", "-q"],
};

/** Skip the test where nothing can be mounted. */
export function needSmallFileSystems(skip: TestContext["skip"], ...kinds: readonly (SmallKind | "overlay")[]): void {
  const can = process.getuid?.() === 0;
  if (!can && process.env["SNAPRING_CI"] === "1") throw new Error("only root can mount a file system");
  skip(!can, "only root can mount a file system");
  for (const kind of kinds) {
    skip(!kernelHas(kind), `this kernel has no ${kind}`);
    const program = kind === "tmpfs" || kind === "overlay" ? "mount" : MAKERS[kind][0];
    const isThere = spawnSync(program, ["-V"], { stdio: "ignore" }).error === undefined;
    if (!isThere && process.env["SNAPRING_CI"] === "1") throw new Error(`there is no ${program}`);
    skip(!isThere, `there is no ${program}`);
  }
}

function kernelHas(kind: string): boolean {
  const has = (): boolean => new RegExp(`\\t${kind}$`, "m").test(readFileSync("/proc/filesystems", "utf8"));
  return has() || (spawnSync("modprobe", [kind], { stdio: "ignore" }).status === 0 && has());
}

export class SmallFileSystem {
  readonly path: string;
  readonly kind: SmallKind;
  /** Files that fill it, the large one among them. */
  #fillers = 0;
  #overlay: string | undefined;

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
      const [program, ...args] = MAKERS[kind];
      await runOk(program, ...args, image);
      const options = kind === "ext4" || kind === "ext3" ? "loop,nodiscard" : "loop";
      await runOk("mount", "-t", kind, "-o", options, image, path);
    }
    return new SmallFileSystem(path, kind);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Take every free block, but for so many. */
  fill(spareBlocks = 0): void {
    const isLarge = this.kind === "xfs" || this.kind === "btrfs";
    if (isLarge) this.#reserveMost();
    // The last blocks of a btrfs take it seconds to find.
    const least = isLarge ? MIB / 4 : BLOCK;
    const filler = this.file("filler");
    // What ext4 holds ready for small files, one large file does not get.
    for (let i = 0; appendAll(i === 0 ? filler : `${filler}-${i}`, i === 0 ? MIB : BLOCK, least); i++) {
      this.#fillers = i + 1;
      if (isLarge) break;
    }
    if (spareBlocks > 0) truncateSync(filler, statSync(filler).size - spareBlocks * BLOCK);
  }

  /** These are larger than what one likes to write. */
  #reserveMost(): void {
    const { bavail, bsize } = statfsSync(this.path);
    const bytes = Math.floor(bavail * 0.9) * bsize;
    spawnSync("fallocate", ["-l", String(bytes), this.file("filler-0")], { stdio: "ignore" });
  }

  /** An overlay with its upper layer here; it goes with `unmount`. */
  async overlay(): Promise<string> {
    const folder = (name: string): string => {
      mkdirSync(this.file(name));
      return this.file(name);
    };
    const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(folder);
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    await runOk("mount", "-t", "overlay", "-o", options, "none", merged);
    this.#overlay = merged;
    return merged;
  }

  /** Room for everything again. */
  empty(): void {
    for (const name of ["filler", "filler-0"]) rmSync(this.file(name), { force: true });
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
    if (this.#overlay !== undefined) await runOk("umount", this.#overlay);
    this.#overlay = undefined;
    // A loop device may be busy for a moment.
    for (let i = 0; i < 50; i++) {
      if ((await runCommand("umount", this.path)).code === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${this.path} cannot be unmounted`);
  }
}

/** Write a file to the last block; false if there was none for it. */
function appendAll(path: string, most: number, least: number): boolean {
  const fd = openOrFull(path);
  if (fd === -1) return false;
  try {
    let more = false;
    for (let bytes = most; bytes >= least; bytes /= 2) while (append(fd, bytes)) more = true;
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
