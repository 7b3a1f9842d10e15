/**
 * The files of one bench below its folder, and what the kernel's page cache holds of them.
 *
 *   origin-SIZE.raw    random data, made once and kept for the next bench
 *   origin-SIZE-I.raw  of several volumes, which have that size together
 *   KIND.cow           the snapshot of one run: made anew for every run; KIND-I.cow, where there are several
 *   written-N.cow      a COW file whose blocks were all written, for those servers that start from one
 *   list               the iolog of one run
 *   sockets            in a folder of their own below the system's, for the path of a socket must be short
 */
import { randomFillSync } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./child.ts";
import type { Setting } from "./setting.ts";
import { MIB } from "./workload.ts";

const PIECE_BYTES = 4 * MIB;
/** The names of COW files that outlive a run begin so. */
const WRITTEN = "written-";
/** Header and first metadata areas of a store, however large its chunks are. */
const STORE_BEGIN_BYTES: number = 4 * MIB;

export class Place {
  readonly setting: Setting;
  readonly originBytes: number;
  readonly #socketFolder: string;

  constructor(setting: Setting, originBytes: number) {
    this.setting = setting;
    this.originBytes = originBytes;
    this.#socketFolder = mkdtempSync(join(tmpdir(), "snapring-bench-"));
  }

  get origin(): string {
    return join(this.setting.folder, `origin-${this.originBytes / MIB}M.raw`);
  }

  /** Of volume `i` of several, each of `bytes`. */
  originOf(i: number, bytes: number): string {
    return join(this.setting.folder, `origin-${bytes / MIB}M-${i}.raw`);
  }

  get listPath(): string {
    return join(this.setting.folder, "list");
  }

  get socket(): string {
    return this.socketOf(0);
  }

  /** Of a server that is several processes. */
  socketOf(i: number): string {
    return join(this.#socketFolder, `s${i}`);
  }

  /** `i`: of several snapshots. */
  writtenCow(i: number): string {
    return join(this.setting.folder, `${WRITTEN}${i}.cow`);
  }

  /** `i`: of several. */
  cow(server: string, i = 0): string {
    return join(this.setting.folder, i === 0 ? `${server}.cow` : `${server}-${i}.cow`);
  }

  /** Random data: nothing below may compress it, find zeros in it or leave it out. */
  makeOrigin(): void {
    if (!isWritten(this.origin, this.originBytes)) writeRandom(this.origin, this.originBytes);
  }

  /** Origins of so many volumes, which have `originBytes` together. */
  makeOrigins(volumes: number): void {
    const bytes = this.originBytes / volumes;
    for (let i = 0; i < volumes; i++) {
      const path = this.originOf(i, bytes);
      if (!isWritten(path, bytes)) writeRandom(path, bytes);
    }
  }

  /** A COW file of `bytes` without holes whose store is blank: what an earlier run left in its chunks stays. */
  makeWrittenCow(i: number, bytes: number): void {
    const path = this.writtenCow(i);
    if (!isWritten(path, bytes)) writeRandom(path, bytes);
    const fd = openSync(path, constants.O_RDWR);
    try {
      writeSync(fd, new Uint8Array(STORE_BEGIN_BYTES), 0, STORE_BEGIN_BYTES, 0);
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Removes what one run has left: COW files, the register of snapshots, the list, a stale socket. */
  clean(): void {
    for (const name of readdirSync(this.setting.folder)) {
      const temporary = name.endsWith(".cow") && !name.startsWith(WRITTEN);
      if (temporary || name.includes(".raw.snapshots")) rmSync(join(this.setting.folder, name));
    }
    rmSync(this.listPath, { force: true });
    for (const name of readdirSync(this.#socketFolder)) rmSync(join(this.#socketFolder, name));
  }

  /** Only origins stay, except on a tmpfs, where nothing does. */
  remove(): void {
    this.clean();
    for (const name of readdirSync(this.setting.folder)) {
      if (name.startsWith(WRITTEN)) rmSync(join(this.setting.folder, name));
    }
    rmSync(this.#socketFolder, { recursive: true, force: true });
    if (this.setting.name !== "tmpfs") return;
    for (const name of readdirSync(this.setting.folder)) {
      if (name.startsWith("origin-")) rmSync(join(this.setting.folder, name));
    }
    if (readdirSync(this.setting.folder).length === 0) rmdirSync(this.setting.folder);
  }

  /**
   * The same state for every server: nothing is waiting to be written, and with O_DIRECT nothing is in the page cache, which
   * direct writes would have to drop page by page. Without O_DIRECT the whole origin is in it.
   */
  async settle(): Promise<void> {
    await run(["sync", "-f", this.setting.folder]);
    if (this.setting.name === "tmpfs") return;
    if (!this.setting.direct) {
      readAll(this.origin);
      return;
    }
    for (const name of readdirSync(this.setting.folder)) {
      if (/\.(raw|cow)$/.test(name)) await dropCache(join(this.setting.folder, name));
    }
  }
}

function isWritten(path: string, bytes: number): boolean {
  if (!existsSync(path)) return false;
  const { size, blocks } = statSync(path);
  return size === bytes && blocks * 512 >= bytes;
}

export function writeRandom(path: string, bytes: number): void {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const fd = openSync(path, "w", 0o600);
  try {
    for (let position = 0; position < bytes; position += PIECE_BYTES) {
      randomFillSync(piece);
      writeSync(fd, piece, 0, Math.min(PIECE_BYTES, bytes - position), position);
    }
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function readAll(path: string): void {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const fd = openSync(path, "r");
  try {
    while (readSync(fd, piece) > 0);
  } finally {
    closeSync(fd);
  }
}

/** posix_fadvise for the whole file, which Node does not offer. */
async function dropCache(path: string): Promise<void> {
  await run(["dd", `if=${path}`, "iflag=nocache", "count=0", "status=none"]);
}
