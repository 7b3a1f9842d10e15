/**
 * A volume for one test: an origin file with known content, its snapshots, and the built server on them.
 *
 * The origin is `dataPattern(filledBytes, 1)` and zeroes behind that. Its end cuts every chunk size, so the last chunk is a
 * short one. `crash` and `stop` leave the files; `serve` starts a server on them again, now without a size for the COW files:
 * they exist.
 */
import { truncate, writeFile } from "node:fs/promises";
import { dataPattern } from "./data-pattern.ts";
import type { Scratch } from "./free-socket.ts";
import { makeScratch } from "./free-socket.ts";
import { NbdClient } from "./nbd-client.ts";
import type { SnapshotOption } from "./server.ts";
import { Server } from "./server.ts";

export const MIB: number = 1024 * 1024;
/** What is added to a size so that it is a multiple of no chunk. */
export const ODD_END = 1536;

export interface VolumeOptions {
  /** Of the origin; by default 8 MiB and an odd end. */
  readonly sizeBytes?: number;
  /** By default all of it. */
  readonly filledBytes?: number;
  /** By default one, "monday", with 16 KiB chunks. */
  readonly snapshots?: readonly Omit<SnapshotOption, "cow">[];
  readonly listen?: string | number;
  readonly args?: readonly string[];
  /** Arguments of node itself, of the first server. */
  readonly nodeArgs?: readonly string[];
}

export const MONDAY: Omit<SnapshotOption, "cow"> = { name: "monday", size: "16M", chunk: "16K" };

export class Volume {
  readonly scratch: Scratch;
  readonly originPath: string;
  /** The origin's content before the first write. */
  readonly before: Buffer;
  readonly #listen: string | number;
  readonly #args: readonly string[];
  readonly #snapshots: readonly SnapshotOption[];
  #server: Server | undefined;

  private constructor(scratch: Scratch, before: Buffer, options: VolumeOptions) {
    this.scratch = scratch;
    this.originPath = scratch.file("origin");
    this.before = before;
    this.#listen = options.listen ?? scratch.file("socket");
    this.#args = options.args ?? [];
    this.#snapshots = (options.snapshots ?? [MONDAY]).map((snapshot) => ({
      ...snapshot,
      cow: scratch.file(`${snapshot.name}.cow`),
    }));
  }

  /** Make the files and start the server. */
  static async create(options: VolumeOptions = {}): Promise<Volume> {
    const scratch = await makeScratch();
    const sizeBytes = options.sizeBytes ?? 8 * MIB + ODD_END;
    const filled = dataPattern(options.filledBytes ?? sizeBytes, 1);
    const volume = new Volume(scratch, Buffer.concat([filled], sizeBytes), options);
    await writeFile(volume.originPath, filled);
    await truncate(volume.originPath, sizeBytes);
    await volume.#start(volume.#snapshots, options.nodeArgs);
    return volume;
  }

  get server(): Server {
    if (this.#server === undefined) throw new Error("no server is running");
    return this.#server;
  }

  get sizeBytes(): number {
    return this.before.length;
  }

  cowPath(name: string): string {
    return this.scratch.file(`${name}.cow`);
  }

  /** A new connection to an export; "" and "origin" are the live volume. */
  open(name = ""): Promise<NbdClient> {
    return NbdClient.open(this.server.address, name);
  }

  /** Start a server on the files as they are. */
  async serve(): Promise<void> {
    await this.#start(this.#snapshots.map(({ name, cow }) => ({ name, cow })));
  }

  /** SIGTERM, and exit code 0. */
  async stop(): Promise<void> {
    await this.server.stop();
    this.#server = undefined;
  }

  /** SIGKILL. */
  async crash(): Promise<void> {
    await this.#server?.kill();
    this.#server = undefined;
  }

  /** End the server in good order if it still runs, and remove the files. */
  async remove(): Promise<void> {
    try {
      if (this.#server !== undefined) await this.stop();
    } finally {
      await this.scratch.remove();
    }
  }

  async #start(snapshots: readonly SnapshotOption[], nodeArgs: readonly string[] = []): Promise<void> {
    const settings = { listen: this.#listen, args: this.#args, nodeArgs };
    this.#server = await Server.start({ origin: this.originPath, snapshots, ...settings });
  }
}

/** The whole content of an export. */
export async function readAll(client: NbdClient): Promise<Buffer> {
  const pieces: Promise<Buffer>[] = [];
  for (let at = 0; at < client.sizeBytes; at += MIB) {
    pieces.push(client.read(at, Math.min(MIB, client.sizeBytes - at)));
  }
  return Buffer.concat(await Promise.all(pieces));
}

/** Where two contents differ first; -1 nowhere. A good failure message for what is too large to print. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return -1;
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return i;
  return shorter;
}
