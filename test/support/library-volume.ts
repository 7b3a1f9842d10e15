/**
 * A volume in this process: the library's `openVolume` on files of a scratch folder, with clients that come in through its
 * socket. Main runs from the sources, the workers from dist/.
 *
 * As in support/volume.ts the origin is `dataPattern(sizeBytes, 1)` at first, and a test that ends leaves nothing behind if its
 * file calls `removeVolumes` after each.
 */
import { statSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { openVolume, type SnapshotOptions, type Volume, type VolumeOptions } from "../../src/index.ts";
import { dataPattern } from "./data-pattern.ts";
import { makeScratch, type Scratch } from "./free-socket.ts";
import { NbdClient } from "./nbd-client.ts";

export interface LibraryOptions extends Omit<VolumeOptions, "origin" | "snapshots" | "listen"> {
  /** By default 4 MiB. */
  readonly sizeBytes?: number;
  /** By default in the scratch folder. */
  readonly originPath?: string;
  readonly snapshots?: readonly (Omit<SnapshotOptions, "cow"> & { readonly cow?: string })[];
}

const volumes = new Set<LibraryVolume>();

/** Close every volume of a test, and remove its files. */
export async function removeVolumes(): Promise<void> {
  for (const volume of [...volumes]) await volume.remove();
}

export class LibraryVolume {
  readonly scratch: Scratch;
  /** The origin's content before the first write. */
  readonly before: Buffer;
  /** What the volume said. */
  readonly lines: string[] = [];
  readonly #clients: NbdClient[] = [];
  #options: LibraryOptions;
  #library: Volume | undefined;

  private constructor(scratch: Scratch, before: Buffer, options: LibraryOptions) {
    this.scratch = scratch;
    this.before = before;
    this.#options = options;
    volumes.add(this);
  }

  /** Make the origin and open the volume. */
  static async create(options: LibraryOptions = {}): Promise<LibraryVolume> {
    const scratch = await makeScratch();
    const before = dataPattern(options.sizeBytes ?? 4 * 2 ** 20, 1);
    const volume = new LibraryVolume(scratch, before, options);
    await writeFile(volume.originPath, before);
    await volume.open();
    return volume;
  }

  get library(): Volume {
    if (this.#library === undefined) throw new Error("the volume is not open");
    return this.#library;
  }

  get originPath(): string {
    return this.#options.originPath ?? this.scratch.file("origin");
  }

  get socketPath(): string {
    return this.scratch.file("socket");
  }

  cowPath(name: string): string {
    return this.scratch.file(`${name}.cow`);
  }

  /** What `openVolume` is given. */
  options(changed: LibraryOptions = {}): VolumeOptions {
    const { sizeBytes: _, originPath: __, snapshots = [], ...rest } = { ...this.#options, ...changed };
    return {
      log: (line) => this.lines.push(line),
      workers: 2,
      ...rest,
      origin: this.originPath,
      snapshots: snapshots.map((snapshot) => ({ cow: this.cowPath(snapshot.name), ...snapshot })),
      listen: [`unix:${this.socketPath}`],
    };
  }

  /** Open it, at first or again; changed options stay. */
  async open(changed: LibraryOptions = {}): Promise<void> {
    this.#options = { ...this.#options, ...changed };
    this.#library = await openVolume(this.options());
  }

  async close(): Promise<void> {
    await this.#library?.close();
    this.#library = undefined;
  }

  /** A connection to an export. */
  async connect(name = ""): Promise<NbdClient> {
    const client = await NbdClient.open({ path: this.socketPath }, name);
    this.#clients.push(client);
    return client;
  }

  /** The origin's file, as it is on disk. */
  originBytes(): Promise<Buffer> {
    return readFile(this.originPath);
  }

  /** The first word of the header behind its magic: 1, or 0 for a dropped snapshot (S-1). */
  async validOnDisk(name: string, cow: string = this.cowPath(name)): Promise<number> {
    return (await readFile(cow)).readUInt32LE(4);
  }

  /** The names in the register beside the origin, with their states. */
  async registered(): Promise<Record<string, string>> {
    const path = `${this.originPath}.snapshots`;
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return {};
    const { snapshots } = JSON.parse(await readFile(path, "utf8")) as { snapshots: Record<string, { state: string }> };
    return Object.fromEntries(Object.entries(snapshots).map(([name, { state }]) => [name, state]));
  }

  async remove(): Promise<void> {
    volumes.delete(this);
    for (const client of this.#clients) client.destroy();
    try {
      await this.close();
    } finally {
      await this.scratch.remove();
    }
  }
}
