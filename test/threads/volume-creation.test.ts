/**
 * Snapshots come and go on a live volume with real threads, under load: the cut is consistent, and nobody else notices.
 *
 * The load is chains: one value after the other, each written by another connection when the one before it has been
 * acknowledged. So the values that a snapshot holds must be a prefix of the chain: a hole would be a write that was let in
 * although an earlier one was kept out.
 */
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { type NbdClient, NbdFailure } from "../support/nbd-client.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeVolumes);

const MIB = 2 ** 20;
const NBD_EIO = 5;
const CELL = 512;
/** Cells of a chain, far apart: in different chunks of every snapshot. */
const CELLS = 16;
const CELL_STEP = 128 * 1024;

class Chain {
  readonly #base: number;
  readonly #clients: readonly NbdClient[];
  /** Values whose writing has begun, and that have been acknowledged. */
  begun = 0;
  acknowledged = 0;
  #stopped = false;

  constructor(base: number, clients: readonly NbdClient[]) {
    this.#base = base;
    this.#clients = clients;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      const value = ++this.begun;
      const cell = Buffer.alloc(CELL);
      for (let at = 0; at < CELL; at += 4) cell.writeUInt32LE(value, at);
      await this.#clients[value % this.#clients.length].write(this.#cellAt(value), cell);
      this.acknowledged = value;
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The length of the prefix that a content holds; throws where it holds none. */
  prefixIn(content: Buffer): number {
    const values = Array.from({ length: CELLS }, (_, i) => this.#valueIn(content, i));
    const last = Math.max(...values);
    for (let value = Math.max(1, last - CELLS + 1); value <= last; value++) {
      if (values[value % CELLS] !== value) throw new Error(`${last} is there, ${value} is not: ${values.join(" ")}`);
    }
    return last;
  }

  #cellAt(value: number): number {
    return this.#base + (value % CELLS) * CELL_STEP;
  }

  #valueIn(content: Buffer, cell: number): number {
    const bytes = content.subarray(this.#cellAt(cell), this.#cellAt(cell) + CELL);
    const value = bytes.readUInt32LE(0);
    for (let at = 0; at < CELL; at += 4) if (bytes.readUInt32LE(at) !== value) throw new Error("half a cell");
    return value;
  }
}

async function startChains(volume: LibraryVolume): Promise<{ chains: Chain[]; end: () => Promise<void> }> {
  const clients = await Promise.all(Array.from({ length: 4 }, () => volume.connect()));
  for (let i = 0; i < 4 * CELLS; i++) await clients[0].zeroes((i >> 4) * 1024 + (i % CELLS) * CELL_STEP, CELL);
  const chains = Array.from({ length: 4 }, (_, i) => new Chain(i * 1024, clients));
  const running = Promise.all(chains.map((chain) => chain.run()));
  running.catch(() => undefined);
  const end = async (): Promise<void> => {
    for (const chain of chains) chain.stop();
    await running;
  };
  return { chains, end };
}

/** Until each chain is so many values further. */
async function progress(chains: readonly Chain[], values: number): Promise<void> {
  const goals = chains.map((chain) => chain.acknowledged + values);
  while (chains.some((chain, i) => chain.acknowledged < goals[i]))
    await new Promise((resolve) => setImmediate(resolve));
}

for (const early of [true, false]) {
  test(`C-30 E-40: snapshots of a volume that is being written are consistent cuts (S-57 ${early ? "on" : "off"})`, async () => {
    const volume = await LibraryVolume.create({ early, sizeBytes: CELLS * CELL_STEP });
    const { chains, end } = await startChains(volume);
    const taken: { readonly name: string; readonly content: Buffer }[] = [];
    for (const chunkSize of [4096, 65_536, 16_384]) {
      await progress(chains, 40);
      const name = `cut-${chunkSize}`;
      const acknowledged = chains.map((chain) => chain.acknowledged);
      await volume.library.createSnapshot({ name, cow: volume.cowPath(name), size: 8 * MIB, chunkSize });
      const begun = chains.map((chain) => chain.begun);
      await progress(chains, 40);
      const content = await readAll(await volume.connect(name));
      chains.forEach((chain, i) => {
        const prefix = chain.prefixIn(content);
        expect(prefix).toBeGreaterThanOrEqual(acknowledged[i]);
        expect(prefix).toBeLessThanOrEqual(begun[i]);
      });
      taken.push({ name, content });
    }
    await end();
    for (const { name, content } of taken) {
      expect(firstDifference(await readAll(await volume.connect(name)), content)).toBe(-1);
    }
    expect(Object.keys(await volume.registered()).sort()).toEqual(taken.map(({ name }) => name).sort());
    const snapshots = taken.map(({ name }) => ({ name }));
    await volume.close();
    await volume.open({ snapshots });
    for (const { name, content } of taken) {
      expect(firstDifference(await readAll(await volume.connect(name)), content)).toBe(-1);
    }
  });
}

test("E-41: a snapshot dropped under load fails from then on, the origin and the other snapshot go on", async () => {
  const snapshot = { size: 8 * MIB, chunkSize: 4096 };
  const volume = await LibraryVolume.create({
    sizeBytes: CELLS * CELL_STEP,
    snapshots: [
      { ...snapshot, name: "kept" },
      { ...snapshot, name: "gone" },
    ],
  });
  const { chains, end } = await startChains(volume);
  const gone = await volume.connect("gone");
  let using = true;
  const errors: number[] = [];
  const use = async (step: (i: number) => Promise<unknown>): Promise<void> => {
    for (let i = 0; using; i++) {
      await step(i).catch((error: unknown) => {
        if (!(error instanceof NbdFailure)) throw error;
        errors.push(error.error);
        using = false;
      });
    }
  };
  const users = Promise.all([
    use((i) => gone.read((i * 37_123) % 1_900_000, 20_000)),
    use((i) => gone.write((i * 71_711) % 1_900_000, dataPattern(5000, 50 + i))),
    use((i) => gone.write((i * 4096 * 7) % 1_900_000, dataPattern(4096, 90 + i))),
  ]);
  await progress(chains, 30);
  await volume.library.dropSnapshot("gone");
  await progress(chains, 30);
  await users;
  expect(errors.every((error) => error === NBD_EIO)).toBe(true);
  expect((await gone.request({ type: 0, offset: 0, length: 512 })).error).toBe(NBD_EIO);
  await end();
  expect(volume.library.exports.map(({ name }) => name)).toEqual(["origin", "kept"]);
  expect(() => volume.library.status("gone")).toThrow(expect.objectContaining({ code: "ENOENT" }));
  expect(firstDifference(await readAll(await volume.connect("kept")), volume.before)).toBe(-1);
  const live = await readAll(await volume.connect());
  for (const chain of chains) expect(chain.prefixIn(live)).toBe(chain.acknowledged);
  await expect(volume.connect("gone")).rejects.toThrow("GO refused");
  expect(await volume.validOnDisk("gone")).toBe(0);
  expect(await volume.registered()).toEqual({ kept: "active" });
  await volume.close();
  await volume.open({ snapshots: [{ name: "kept" }] });
  expect(firstDifference(await readAll(await volume.connect("kept")), volume.before)).toBe(-1);
});

test("E-40 E-41: a name and a COW file may be used again after a drop, and a refused creation leaves nothing", async () => {
  const volume = await LibraryVolume.create();
  const origin = await volume.connect();
  const { library } = volume;
  const options = { name: "again", cow: volume.cowPath("again"), size: 8 * MIB, chunkSize: 16_384 };
  for (let round = 0; round < 3; round++) {
    await library.createSnapshot({ ...options, cow: volume.cowPath(`again-${round}`) });
    const then = await readAll(origin);
    await origin.write(round * 100_000, dataPattern(300_000, 10 + round));
    expect(firstDifference(await readAll(await volume.connect("again")), then)).toBe(-1);
    await library.dropSnapshot("again");
  }
  await expect(library.createSnapshot({ ...options, cow: volume.cowPath("again-0") })).rejects.toMatchObject({
    code: "EEXIST",
  });
  await expect(library.createSnapshot({ ...options, cow: volume.originPath })).rejects.toMatchObject({
    code: "EINVAL",
  });
  await expect(library.createSnapshot({ ...options, size: undefined })).rejects.toMatchObject({ code: "ENOENT" });
  await expect(library.createSnapshot({ ...options, name: "origin" })).rejects.toMatchObject({
    code: "ERR_INVALID_ARG_VALUE",
    option: "name",
  });
  expect(library.exports.map(({ name }) => name)).toEqual(["origin"]);
  expect(await volume.registered()).toEqual({});
  await library.createSnapshot(options);
  await expect(library.createSnapshot({ ...options, cow: volume.cowPath("other") })).rejects.toMatchObject({
    code: "EEXIST",
    message: "there is a snapshot named 'again' already",
  });
  expect(library.exports.map(({ name }) => name)).toEqual(["origin", "again"]);
});
