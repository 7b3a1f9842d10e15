/**
 * One client under soak: it has a slice of an export for itself, and knows every sector of it.
 *
 *   connect ─▶ batches of reads, writes, zeroes, trims and flushes, a few at a time ─▶ leave, or vanish ─▶ connect …
 *
 * Every read is checked at once. `pause` resolves when nothing of it is under way; what it does follows from its seed, when it does it
 * from the server.
 */
import { SeededRandom } from "../support/core/seeded-random.ts";
import type { Address } from "../support/byte-stream.ts";
import { NbdClient, NbdFailure } from "../support/nbd-client.ts";
import { SECTOR, sectorBytes, type SectorModel } from "./sector-model.ts";

const BATCH_MAX = 4;
const SMALL_MAX = 64;
const LARGE_MAX = 2048;

/** What all users of a run share. */
export interface Shared {
  readonly address: Address;
  /** A version that no sector has had. */
  nextVersion(): number;
  /** A write begins: sectors, the version that they will have, and had (for a snapshot that is made meanwhile). */
  begins(exportName: string, first: number, count: number, version: number, model: SectorModel): object;
  /** It is answered. `isDurable`: nothing can lose it any more. */
  ends(write: object, isDurable: boolean): void;
  /** A flush is sent; what it returns is called when it is answered. */
  flushing?(exportName: string): () => void;
  /** Of all users. */
  readonly count: { requests: number; connections: number };
  /** Resolves when so many requests may be made. */
  pace(requests: number): Promise<void>;
}

export class User {
  readonly exportName: string;
  readonly #shared: Shared;
  readonly #random: SeededRandom;
  readonly #first: number;
  readonly #count: number;
  #model: SectorModel;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();
  #client: NbdClient | undefined;

  constructor(shared: Shared, exportName: string, slice: readonly [number, number], model: SectorModel, seed: number) {
    this.#shared = shared;
    this.exportName = exportName;
    [this.#first, this.#count] = slice;
    this.#model = model;
    this.#random = new SeededRandom(seed);
  }

  start(failed: (error: Error) => void): void {
    this.#stopped = false;
    this.#running = this.#run();
    this.#running.catch(failed);
  }

  /** Its connection stays. */
  async pause(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Paused, and gone. */
  async leave(): Promise<void> {
    await this.pause();
    await this.#client?.disconnect();
    this.#client = undefined;
  }

  /** The export holds something else now (a merge); only while paused. */
  replace(model: SectorModel): void {
    this.#model = model;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const client = await this.#connection();
      const size = 1 + this.#random.below(BATCH_MAX);
      await this.#shared.pace(size);
      if (this.#stopped) return;
      // Parts of the slice that do not overlap.
      const part = Math.floor(this.#count / size);
      const requests = Array.from({ length: size }, (_, i) => this.#request(client, this.#first + i * part, part));
      await Promise.all(requests).catch((error: unknown) => this.#failed(error));
      this.#shared.count.requests += size;
    }
  }

  /** What a server answers does not say where. */
  #failed(error: unknown): never {
    if (error instanceof NbdFailure) throw new Error(`${this.exportName}: ${error.message}`, { cause: error });
    throw error;
  }

  async #connection(): Promise<NbdClient> {
    if (this.#client !== undefined && this.#random.chance(2)) {
      if (this.#random.chance(50)) await this.#client.disconnect();
      else this.#client.destroy();
      this.#client = undefined;
    }
    if (this.#client === undefined) this.#shared.count.connections += 1;
    this.#client ??= await NbdClient.open(this.#shared.address, this.exportName);
    return this.#client;
  }

  async #request(client: NbdClient, first: number, room: number): Promise<void> {
    const random = this.#random;
    const count = 1 + random.below(Math.min(room, random.chance(3) ? LARGE_MAX : SMALL_MAX));
    const at = first + random.below(room - count + 1);
    const fua = random.chance(5) ? 1 : 0;
    const kind = random.below(100);
    const where = `${this.exportName}, by a read`;
    if (kind < 50) this.#model.check(at, await client.read(at * SECTOR, count * SECTOR), where);
    else if (kind < 85)
      await this.#write([at, count], this.#shared.nextVersion(), fua, (data) => client.write(at * SECTOR, data, fua));
    else if (kind < 90) await this.#write([at, count], 0, fua, () => client.zeroes(at * SECTOR, count * SECTOR, fua));
    else if (kind < 95) await this.#trim(client, at, count);
    else await this.#flush(client);
  }

  async #write(
    [at, count]: readonly [number, number],
    version: number,
    fua: number,
    send: (data: Buffer) => Promise<void>,
  ): Promise<void> {
    const write = this.#shared.begins(this.exportName, at, count, version, this.#model);
    await send(sectorBytes(at, count, version));
    this.#model.fill(at, count, version);
    this.#shared.ends(write, fua !== 0);
  }

  async #flush(client: NbdClient): Promise<void> {
    const answered = this.#shared.flushing?.(this.exportName);
    await client.flush();
    answered?.();
  }

  /** It may do nothing, or make zeroes: which of it is read at once. */
  async #trim(client: NbdClient, at: number, count: number): Promise<void> {
    const write = this.#shared.begins(this.exportName, at, count, 0, this.#model);
    await client.trim(at * SECTOR, count * SECTOR);
    const bytes = await client.read(at * SECTOR, count * SECTOR);
    this.#model.learn(
      at,
      bytes,
      (sector) => new Set([0, this.#model.versions[sector]!]),
      `${this.exportName}, trimmed`,
    );
    this.#shared.ends(write, false);
  }
}
