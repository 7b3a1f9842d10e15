/**
 * A snapshot's whole view, read offline: the origin, with the copied chunks laid over it.
 *
 * Neighbouring chunks that come from consecutive places are read together, and large ones in pieces. The origin's end may cut its last chunk short;
 * the view ends where the origin ends.
 */
import { fstatSync, type Stats } from "node:fs";
import { SnapringError } from "../base/errno.ts";
import { divCeil, type Chunk, type Sector } from "../base/units.ts";
import { CowGeometry } from "../format/cow-geometry.ts";
import { DeviceFile } from "../device/device-file.ts";
import { deviceWarnings } from "./device-warnings.ts";
import { ExceptionMap } from "./exception-map.ts";
import { loadStore } from "./load-store.ts";
import type { TiedDevices } from "./offline-ties.ts";

const READ_BYTES = 1024 * 1024;

export interface SnapshotViewOptions {
  readonly origin: string;
  readonly cow: string;
  readonly chunkSectors?: Sector | undefined;
}

interface Extent {
  /** 0: from the origin. */
  readonly newChunk: Chunk;
  readonly chunks: number;
}

export class SnapshotView implements Disposable {
  readonly warnings: readonly string[];
  /** What the register is asked about. */
  readonly devices: TiedDevices;
  readonly #origin: DeviceFile;
  readonly #cow: DeviceFile;
  readonly #exceptions = new ExceptionMap();
  readonly #geometry: CowGeometry;
  readonly #extentChunksMax: number;

  /** Throws a SnapringError where there is no such view: no store, a corrupt or an Invalid one. */
  constructor(options: SnapshotViewOptions) {
    this.#origin = DeviceFile.open(options.origin, "read", "origin");
    try {
      this.#cow = DeviceFile.open(options.cow, "read", "COW file", this.#origin);
    } catch (error) {
      this.#origin[Symbol.dispose]();
      throw error;
    }
    try {
      const load = { chunkSectors: options.chunkSectors, origin: this.#origin };
      const loaded = loadStore(this.#cow, load, (oldChunk, newChunk) => this.#exceptions.set(oldChunk, newChunk));
      if (loaded.state === "invalid") {
        throw new SnapringError("EIO", `${options.cow}: the snapshot is Invalid`, {
          hint: "it was dropped or ran full; what it held is lost",
        });
      }
      this.devices = { origin: this.#origin, cow: this.#cow, loaded };
      this.#geometry = new CowGeometry(loaded.chunkSectors);
      this.#extentChunksMax = Math.max(1, Math.floor(READ_BYTES / this.#geometry.chunkBytes));
      this.warnings = [...loaded.warnings, ...deviceWarnings(this.#origin, this.#cow)];
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#origin.sizeBytes;
  }

  /** Of the origin: whoever may not read it may not read its snapshot. */
  get rights(): Stats {
    return fstatSync(this.#origin.fd);
  }

  /** Both devices, so that nobody writes the view over its own source. */
  get identities(): readonly string[] {
    return [this.#origin.identity, this.#cow.identity];
  }

  /** The view from its beginning to its end. `bytes` is valid until the next piece is asked for. */
  *pieces(): Generator<{ readonly position: number; readonly bytes: Buffer }> {
    const { chunkBytes } = this.#geometry;
    const buffer = Buffer.alloc(READ_BYTES);
    const chunkCount = divCeil(this.sizeBytes, chunkBytes);
    let chunk = 0;
    while (chunk < chunkCount) {
      const extent = this.#extentAt(chunk, chunkCount);
      const from = chunk * chunkBytes;
      const end = Math.min(from + extent.chunks * chunkBytes, this.sizeBytes);
      for (let position = from; position < end; position += buffer.length) {
        const bytes = buffer.subarray(0, Math.min(buffer.length, end - position));
        if (extent.newChunk === 0) this.#origin.read(position, bytes);
        else this.#cow.read(extent.newChunk * chunkBytes + (position - from), bytes);
        yield { position, bytes };
      }
      chunk += extent.chunks;
    }
  }

  [Symbol.dispose](): void {
    this.#origin[Symbol.dispose]();
    this.#cow[Symbol.dispose]();
  }

  #extentAt(first: Chunk, end: Chunk): Extent {
    const newChunk = this.#exceptions.get(first);
    let chunks = 1;
    while (chunks < this.#extentChunksMax && first + chunks < end) {
      if (this.#exceptions.get(first + chunks) !== (newChunk === 0 ? 0 : newChunk + chunks)) break;
      chunks++;
    }
    return { newChunk, chunks };
  }
}
