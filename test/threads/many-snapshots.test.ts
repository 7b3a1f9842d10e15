/**
 * Many snapshots of one origin, as the suites of the kernel's device mapper have them: a hundred and one of them, each of a moment of its own; sixteen that
 * are written at a time; all of them removed in whatever order.
 *
 *   write ─ create 0 ─ write ─ create 1 ─ … ─ create 100 ─ the whole origin is written ─ close, open ─ drop, write, compare … until none is left
 *
 * The oracle is a copy of the origin for each moment, and what was written to that snapshot since.
 */
import { afterEach, expect, test } from "vitest";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { freshSeed } from "../support/driver.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import type { NbdClient } from "../support/nbd-client.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeVolumes);

const KIB = 1024;
const SIZE: number = 256 * KIB;
/** Chunks of several sizes: a write of the origin keeps the largest first (E-13). */
const CHUNKS = [4096, 16_384, 512, 65_536] as const;
const LOTS = 101;
/** On a machine that is busy with other things. */
const TIMEOUT = 600_000;
/** Compared after each drop; all of them are after every twentieth. */
const LOOKED_AT = 3;

/** What an export should hold, and a client of it. */
interface Side {
  readonly name: string;
  readonly model: Buffer;
  readonly client: NbdClient;
}

/** Somewhere, some sectors. */
async function scribble({ client, model }: Side, random: SeededRandom): Promise<void> {
  const length = 512 * (1 + random.below(24));
  const at = 512 * random.below((SIZE - length) / 512);
  const data = dataPattern(length, 1 + random.below(2 ** 30));
  await client.write(at, data);
  data.copy(model, at);
}

async function expectRight({ name, client, model }: Side, seed: number): Promise<void> {
  expect(firstDifference(await readAll(client), model), `${name}, seed ${seed}`).toBe(-1);
}

test(`E-13 E-18 E-41: ${LOTS} snapshots of one origin each read as their moment was, until they are dropped, in whatever order`, {
  timeout: TIMEOUT,
}, async () => {
  const seed = freshSeed();
  console.log(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const volume = await LibraryVolume.create({ sizeBytes: SIZE, registered: true });
  const origin: Side = { name: "origin", model: Buffer.from(volume.before), client: await volume.connect() };
  const moments = new Map<string, Buffer>();
  for (let i = 0; i < LOTS; i++) {
    const name = `s${i}`;
    const chunkSize = random.pick(CHUNKS);
    await volume.library.createSnapshot({ name, cow: volume.cowPath(name), chunkSize, size: 1024 * KIB, sparse: true });
    moments.set(name, Buffer.from(origin.model));
    await scribble(origin, random);
  }
  // All of it: every chunk is needed by all that have not kept it yet, more of them than one copy has targets.
  const all = dataPattern(SIZE, 77);
  await Promise.all(
    [0, 1, 2, 3].map((i) => origin.client.write((i * SIZE) / 4, all.subarray((i * SIZE) / 4, ((i + 1) * SIZE) / 4))),
  );
  all.copy(origin.model);
  await volume.close();
  await volume.open();
  const sides: Side[] = [];
  for (const [name, model] of moments) sides.push({ name, model, client: await volume.connect(name) });
  const live = { ...origin, client: await volume.connect() };
  await expectRight(live, seed);
  for (const side of sides) await expectRight(side, seed);
  while (sides.length > 0) {
    const [dropped] = sides.splice(random.below(sides.length), 1);
    await volume.library.dropSnapshot(dropped!.name);
    await expect(dropped!.client.read(0, 512)).rejects.toThrow();
    await scribble(live, random);
    if (sides.length > 0) await scribble(random.pick(sides), random);
    const some = sides.length % 20 === 0 ? sides : Array.from({ length: LOOKED_AT }, () => random.pick(sides));
    for (const side of some) await expectRight(side, seed);
  }
  await expectRight(live, seed);
  expect([volume.library.stats().snapshots, await volume.registered()]).toEqual([[], {}]);
});

test.each(["P", "N"] as const)(
  "E-3…E-5 E-13: sixteen snapshots (%s) and the origin are written at a time, and each holds its own",
  async (store) => {
    const seed = freshSeed();
    console.log(`seed ${seed}`);
    const names = Array.from({ length: 16 }, (_, i) => `s${i}`);
    const volume = await LibraryVolume.create({
      sizeBytes: SIZE,
      snapshots: names.map((name, i) => ({
        name,
        store,
        chunkSize: CHUNKS[i % CHUNKS.length],
        size: 1024 * KIB,
        sparse: true,
      })),
    });
    const sides: Side[] = [];
    for (const name of ["", ...names])
      sides.push({ name, model: Buffer.from(volume.before), client: await volume.connect(name) });
    await Promise.all(
      sides.map(async (side, i) => {
        const random = new SeededRandom(seed + i);
        for (let k = 0; k < 60; k++) {
          await scribble(side, random);
          if (k % 20 === 0) await expectRight(side, seed);
        }
      }),
    );
    for (const side of sides) await expectRight(side, seed);
    if (store === "N") return;
    await volume.close();
    await volume.open();
    for (const side of sides) await expectRight({ ...side, client: await volume.connect(side.name) }, seed);
  },
);
