/**
 * What a cut has left, opened again: by the offline code, by the built library, and by the real kernel. All must show the view that
 * the test's own decoder shows.
 *
 *   images ──▶ files (in memory where there is room) ──┬─▶ SnapshotView, OfflineMerge
 *                                                      ├─▶ VolumeProcess, twice, over NBD; closed: the stores have not changed (S-84)
 *                                                      └─▶ dm-oracle: the kernel's own dm-snapshot
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import type { VolumeOptions } from "../../src/index.ts";
import { OfflineMerge } from "../../src/offline/merge-store.ts";
import { SnapshotView } from "../../src/offline/snapshot-view.ts";
import { removeMark } from "../../src/register/mark.ts";
import { OracleImages, type OracleRead } from "../support/dm-oracle.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { firstDifference, readAll } from "../support/volume.ts";
import { VolumeProcess } from "../support/volume-process.ts";
import { decodeStore } from "../sim/store-decoder.ts";
import type { Found } from "./checker.ts";
import type { CheckedCut } from "./images.ts";
import { SECTOR_BYTES } from "./ledger.ts";
import { type Recording, REGISTER } from "./recording.ts";
import { stateIn } from "./register-state.ts";

/** Compared at once. */
const PIECE_BYTES = 64 * SECTOR_BYTES;

/** Of the header's four bytes that are 0 where the snapshot is invalid (S-1). */
const VALID_AT = 4;

const KERNEL_ATTEMPTS = 3;

const SHARED_MEMORY = "/dev/shm";
const ROOM_BYTES = 256 * 2 ** 20;

interface ImageFile {
  readonly path: string;
  readonly fd: number;
  /** What the file holds. */
  readonly content: Uint8Array;
}

export class Reopening {
  readonly #scratch: Scratch;
  readonly #recording: Recording;
  readonly #files: readonly ImageFile[];
  #child: VolumeProcess | undefined;

  private constructor(scratch: Scratch, recording: Recording) {
    this.#scratch = scratch;
    this.#recording = recording;
    this.#files = ["origin", ...recording.snapshots.map(({ name }) => `${name}.cow`)].map((name, device) => {
      const path = scratch.file(name);
      const content = recording.first[device].slice();
      writeFileSync(path, content);
      return { path, fd: openSync(path, "r+"), content };
    });
  }

  static async of(recording: Recording): Promise<Reopening> {
    return new Reopening(await makeScratch(hasRoom(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir()), recording);
  }

  async remove(): Promise<void> {
    await this.#child?.kill();
    for (const { fd } of this.#files) closeSync(fd);
    await this.#scratch.remove();
  }

  /** The offline view of every snapshot that is active. */
  offline({ images, found }: CheckedCut): void {
    this.#put(images);
    for (const one of found) {
      if (one.state !== "active") continue;
      using view = new SnapshotView({ origin: this.#files[0].path, cow: this.#cow(one) });
      for (const { position, bytes } of view.pieces()) {
        const at = firstDifference(bytes, one.view.subarray(position, position + bytes.length));
        if (at >= 0) throw new Error(`${one.snapshot.name}: the offline view differs at byte ${position + at}`);
      }
    }
  }

  /** S-83: a merge goes on where it was, and brings the view. Returns 0 where the snapshot is not active, else 1. */
  merge({ images, found }: CheckedCut, name: string): number {
    this.#put(images);
    const one = found.find(({ snapshot, state }) => snapshot.name === name && state === "active");
    if (one === undefined) return 0;
    using merge = new OfflineMerge({ origin: this.#files[0].path, cow: this.#cow(one) });
    while (!merge.isDone) merge.step();
    const origin = readFileSync(this.#files[0].path);
    const cow = readFileSync(this.#cow(one));
    this.#files[0].content.set(origin);
    this.#files[one.snapshot.device].content.set(cow);
    const at = firstDifference(origin, one.view);
    if (at >= 0) throw new Error(`${name}: the merged origin differs from the view at byte ${at}`);
    if (decodeStore(cow, origin.length).exceptions.length > 0)
      throw new Error(`${name}: exceptions are left behind a merge`);
    return 1;
  }

  /** The library opens it, twice, and shows the same as the decoder. Returns how many stores were given to it. */
  async library(cut: CheckedCut, text: string | undefined): Promise<number> {
    this.#put(cut.images);
    const register = this.#scratch.file(REGISTER);
    rmSync(register, { force: true });
    // The files are those of the cut before: what they were marked with then is not of this one.
    for (const { fd } of this.#files) removeMark(fd);
    if (text !== undefined) writeFileSync(register, text.replaceAll(this.#recording.folder, this.#scratch.file("")));
    // What is registered must be given, whatever it holds.
    const given = cut.found.filter(
      ({ state, snapshot }) => state !== "new" || text?.includes(`"${snapshot.name}"`) === true,
    );
    this.#child ??= new VolumeProcess();
    // Invalid may stand in the register before it does in the header (S-70), where the snapshot may be invalid at all.
    const isInvalid = ({ state, snapshot }: Found): boolean =>
      state === "invalid" ||
      (cut.at >= Math.min(snapshot.dying, snapshot.mayBeInvalid) && stateIn(text, snapshot.name) === "invalid");
    // Amid a merge: read-only it is presented, and nothing goes on; then the opening is told to stop it (E-36).
    const merging = given.find(
      ({ snapshot, state }) => state === "active" && stateIn(text, snapshot.name) === "merging",
    );
    if (merging === undefined) await this.#open(this.#child, given, isInvalid);
    else await this.#openMerging(this.#child, given, merging);
    await this.#open(this.#child, given, isInvalid, merging !== undefined);
    // S-70: what only the register called invalid is so in its header, too, by then.
    for (const one of given)
      if (isInvalid(one)) this.#files[one.snapshot.device].content.fill(0, VALID_AT, VALID_AT + 4);
    for (const [device, { path, content }] of this.#files.entries()) {
      const now = readFileSync(path);
      // A store that was still blank has been made.
      const isNew = given.some(({ snapshot, state }) => snapshot.device === device && state === "new");
      if (!isNew && !now.equals(content)) throw new Error(`opening has changed ${path}`);
      content.set(now);
    }
    return given.length;
  }

  /** The kernel shows the same view of the n-th active store, counted round. Returns how many stores it has loaded. */
  async kernel({ images, found }: CheckedCut, n: number): Promise<number> {
    const active = found.filter(({ state }) => state === "active");
    if (active.length === 0) return 0;
    const one = active[n % active.length];
    const read = await readInKernel(images[0], images[one.snapshot.device]);
    const wanted = createHash("sha256").update(one.view).digest("hex");
    if (read.view_sha256 !== wanted) throw new Error(`${one.snapshot.name}: the kernel shows ${JSON.stringify(read)}`);
    return 1;
  }

  /** S-83: what merged is in place of the origin, at once. */
  async #openMerging(child: VolumeProcess, given: readonly Found[], { snapshot, view }: Found): Promise<void> {
    await child.open({ ...this.#options(given), readOnly: true });
    const { state } = await child.status(snapshot.name);
    if (state !== "merging") throw new Error(`${snapshot.name}: opened as ${state}, not merging`);
    const at = await this.#difference("", view);
    if (at >= 0) throw new Error(`the presented volume differs from ${snapshot.name} at byte ${at}`);
    await child.close();
  }

  #options(given: readonly Found[]): VolumeOptions {
    return {
      origin: this.#files[0].path,
      snapshots: given.map((one) => ({ name: one.snapshot.name, cow: this.#cow(one), chunkSize: chunkBytes(one) })),
      ...{ listen: [`unix:${this.#socket}`], workers: 1 },
    };
  }

  get #socket(): string {
    return this.#scratch.file("socket");
  }

  /** The first byte at which an export is not this, or -1. */
  async #difference(name: string, view: Uint8Array): Promise<number> {
    const client = await NbdClient.open({ path: this.#socket }, name);
    const at = firstDifference(await readAll(client), view);
    await client.disconnect();
    return at;
  }

  async #open(
    child: VolumeProcess,
    given: readonly Found[],
    isInvalid: (one: Found) => boolean,
    noMerge = false,
  ): Promise<void> {
    await child.open({ ...this.#options(given), noMerge });
    for (const one of given) {
      const { snapshot, state, view } = one;
      const { state: now } = await child.status(snapshot.name);
      const wanted = isInvalid(one) ? "invalid" : "active";
      if (now !== wanted) throw new Error(`${snapshot.name}: opened as ${now}, not ${wanted}`);
      if (state !== "active" || wanted === "invalid") continue;
      const at = await this.#difference(snapshot.name, view);
      if (at >= 0) throw new Error(`${snapshot.name}: the library's view differs at byte ${at}`);
    }
    await child.close();
  }

  #cow(one: Found): string {
    return this.#files[one.snapshot.device].path;
  }

  /** Brings the files to what the images hold, writing what differs. */
  #put(images: readonly Uint8Array[]): void {
    for (const [device, { fd, content }] of this.#files.entries()) {
      const image = images[device];
      for (let at = firstSectorOff(content, image, 0); at < image.length; at = firstSectorOff(content, image, at)) {
        const sector = image.subarray(at, at + SECTOR_BYTES);
        writeSync(fd, sector, 0, SECTOR_BYTES, at);
        content.set(sector, at);
      }
    }
  }
}

/** From `start` on, the next sector that differs, or the end. */
function firstSectorOff(a: Uint8Array, b: Uint8Array, start: number): number {
  let at = start;
  while (at < b.length) {
    // Large pieces first: few sectors differ.
    const bytes = at % PIECE_BYTES === 0 && isSame(a, b, at, PIECE_BYTES) ? PIECE_BYTES : SECTOR_BYTES;
    if (bytes === SECTOR_BYTES && !isSame(a, b, at, SECTOR_BYTES)) return at;
    at += bytes;
  }
  return b.length;
}

function isSame(a: Uint8Array, b: Uint8Array, at: number, length: number): boolean {
  return Buffer.compare(a.subarray(at, at + length), b.subarray(at, at + length)) === 0;
}

/** User-Mode Linux itself dies now and then on a crowded machine, before it has looked at a device: then once more. */
async function readInKernel(origin: Uint8Array, cow: Uint8Array): Promise<OracleRead> {
  for (let attempts = 1; ; attempts++) {
    using oracle = new OracleImages();
    const read = await oracle.read(oracle.put("origin", origin), oracle.put("cow", cow));
    if (read.guest === "ok" || attempts === KERNEL_ATTEMPTS) return read;
  }
}

function chunkBytes({ snapshot }: Found): number {
  return snapshot.chunkSectors * SECTOR_BYTES;
}

function hasRoom(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize > ROOM_BYTES;
}
