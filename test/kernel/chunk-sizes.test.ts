/**
 * The same writes to an origin with nine snapshots, one of each usual chunk size, by the kernel and by a volume on real threads: after each write both say
 * the same of how full each store is (S-71, S-72), and at the end both have the same bytes.
 */
import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { statusText } from "../support/core/corpus.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { sha256 } from "../support/core/volume.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { type OracleCreate, OracleImages, requireOracle } from "../support/dm-oracle.ts";
import { freshSeed } from "../support/driver.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { readAll } from "../support/volume.ts";

afterEach(removeVolumes);

const SECTOR = 512;
/** 512 bytes, and 4 KiB to 512 KiB. */
const CHUNKS = [1, 8, 16, 32, 64, 128, 256, 512, 1024] as const;
/** No chunk but the smallest ends with it. */
const SECTORS = 4 * 1024 + 5;
const WRITES = 24;
const names = CHUNKS.map((sectors) => `c${sectors}`);

interface Write {
  /** Of which snapshot; undefined: of the origin. */
  readonly snapshot: number | undefined;
  readonly first: number;
  readonly count: number;
  readonly seed: number;
}

/** The smallest store becomes invalid on the way, the second one is nearly full. */
function cowSectors(chunk: number): number {
  return chunk === 1 ? 600 : chunk === 1024 ? 7 * 1024 : SECTORS + 6 * chunk;
}

function writesOf(seed: number): Write[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: WRITES }, (_, i) => {
    const count = 1 + random.below(120);
    const first = random.below(SECTORS - count);
    return { snapshot: random.chance(50) ? random.below(CHUNKS.length) : undefined, first, count, seed: i + 1 };
  });
}

const operation = ({ snapshot, first, count, seed }: Write): string =>
  `${snapshot === undefined ? "origin-write" : `snap-write:${snapshot}`} ${first * SECTOR} ${count * SECTOR} ${seed}\n`;

/** The kernel's words for each snapshot after each write. */
function statuses(made: OracleCreate): (string | undefined)[][] {
  const texts = made.ops.filter(({ op }) => op === "status").map(({ text }) => statusText(text));
  return Array.from({ length: WRITES }, (_, i) => texts.slice(i * CHUNKS.length, (i + 1) * CHUNKS.length));
}

test("S-71 S-72: the chunk sizes from 512 bytes to 512 KiB, with S-57 and reserves and without", async (context) => {
  requireOracle(context);
  const seed = freshSeed();
  console.log(`seed ${seed}`);
  const writes = writesOf(seed);
  using images = new OracleImages();
  const cows = CHUNKS.map((chunk, i) => images.put(`${names[i]}.img`, new Uint8Array(cowSectors(chunk) * SECTOR)));
  const ops = writes.map((write) => `${operation(write)}status\n`).join("");
  const made = await images.create(images.put("o.img", dataPattern(SECTORS * SECTOR, 1)), cows, CHUNKS, ops);
  for (const early of [true, false]) {
    const volume = await writtenAlike(writes, statuses(made), `${early}, seed ${seed}`, early);
    for (const [i, { view_sha256: view }] of made.snapshots.entries())
      if (typeof view === "string") expect(await viewOf(volume, names[i]!), `${names[i]}, seed ${seed}`).toBe(view);
    await volume.close();
    expect(sha256(readFileSync(volume.originPath))).toBe(made.origin_sha256);
    if (early) continue;
    for (const [i, { cow_sha256: cow }] of made.snapshots.entries())
      expect(sha256(readFileSync(volume.cowPath(names[i]!))), `${names[i]}, seed ${seed}`).toBe(cow);
  }
});

/** A volume after the same writes, which has said the same after each. */
async function writtenAlike(
  writes: readonly Write[],
  kernel: ReturnType<typeof statuses>,
  which: string,
  early: boolean,
): Promise<LibraryVolume> {
  const snapshots = CHUNKS.map((chunk, i) => ({
    name: names[i]!,
    chunkSize: chunk * SECTOR,
    size: cowSectors(chunk) * SECTOR,
  }));
  const volume = await LibraryVolume.create({ sizeBytes: SECTORS * SECTOR, early, reserves: early, snapshots });
  const clients = await Promise.all(["", ...names].map((name) => volume.connect(name)));
  for (const [i, { snapshot, first, count, seed }] of writes.entries()) {
    const client = clients[snapshot === undefined ? 0 : 1 + snapshot]!;
    // To a snapshot that is, or becomes, invalid it fails.
    await client.write(first * SECTOR, dataPattern(count * SECTOR, seed)).catch(() => undefined);
    const said = names.map((name) => volume.library.status(name).status);
    expect(said, `after write ${i}, ${which}`).toEqual(kernel[i]);
  }
  return volume;
}

const viewOf = async (volume: LibraryVolume, name: string): Promise<string> =>
  sha256(await readAll(await volume.connect(name)));
