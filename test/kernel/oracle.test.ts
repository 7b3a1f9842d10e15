/**
 * Against the real kernel, with fresh random cases: it reads and merges what we wrote, we read and merge what it wrote.
 *
 * Each case is made from its number. The engine runs on fake disks, with requests in flight at once and in random order, so
 * that groups form and copies end out of order as on real ones.
 */
import { beforeEach, expect, test } from "vitest";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { parseOps, statusText } from "../support/core/corpus.ts";
import { originWrite, snapshotFlush, snapshotWrite } from "../support/core/fake-client.ts";
import { FakeDisk } from "../support/core/fake-disk.ts";
import { OpReplay } from "../support/core/op-replay.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { sha256, Volume } from "../support/core/volume.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { OracleImages, type Pair, requireOracle } from "../support/dm-oracle.ts";

beforeEach(requireOracle);

interface Written {
  readonly volume: Volume;
  readonly origin: FakeDisk;
  readonly cow: FakeDisk;
}

/** A random workload on a fresh store; several requests are under way at once. */
function writeStore(seed: number, options: { readonly crashes?: boolean } = {}): Written {
  const random = new SeededRandom(seed * 104_729);
  const chunkSectors = random.pick([1, 8, 32]);
  const originSectors = 512 + random.below(600);
  const chunks = Math.ceil(originSectors / chunkSectors);
  const cowSectors = (chunks + 8 + Math.ceil(chunks / (chunkSectors * 32))) * chunkSectors + random.below(chunkSectors);
  const origin = new FakeDisk(new Uint8Array(dataPattern(originSectors * SECTOR_BYTES, seed)), options.crashes);
  const cow = new FakeDisk(new Uint8Array(cowSectors * SECTOR_BYTES), options.crashes);
  const volume = new Volume(origin, {
    early: random.chance(50),
    random,
    groupCount: random.pick([3, 1024]),
    metadataBlockBytes: random.pick([512, 4096]),
  });
  volume.create(0, { disk: cow, store: random.pick(["P", "PO"]), chunkSectors });
  const { shell } = volume;
  const snapshot = volume.snapshot(0);
  for (let i = 0; i < 120; i++) {
    const count = 1 + random.below(3 * chunkSectors + 8);
    const first = random.below(originSectors - count);
    const data = new Uint8Array(dataPattern(count * SECTOR_BYTES, seed * 1000 + i));
    volume.start(
      random.chance(50)
        ? originWrite(shell, first * SECTOR_BYTES, data)
        : snapshotWrite(shell, snapshot, first * SECTOR_BYTES, data),
    );
    if (random.chance(15)) volume.start(snapshotFlush(shell, snapshot));
    for (let steps = random.below(60); steps > 0; steps--) shell.step();
  }
  return { volume, origin, cow };
}

/** A case for the kernel, and what the engine says of it. */
interface Case {
  readonly origin: Uint8Array;
  readonly cow: Uint8Array;
  readonly view: string;
  readonly status: string;
}

function closed(seed: number): Case {
  const { volume, origin, cow } = writeStore(seed);
  volume.settle();
  const [view, status] = [volume.hash(0), volume.status(0)];
  volume.close();
  return { origin: origin.bytes, cow: cow.bytes, view, status };
}

function cut(seed: number): Case {
  const { origin, cow } = writeStore(seed, { crashes: true });
  const random = new SeededRandom(seed);
  const [keptOrigin, keptCow] = [origin.crash(random), cow.crash(random)];
  const reopened = new Volume(new FakeDisk(keptOrigin.slice()));
  reopened.open(0, { disk: new FakeDisk(keptCow.slice()), store: "P", chunkSectors: 0 });
  return { origin: keptOrigin, cow: keptCow, view: reopened.hash(0), status: reopened.status(0) };
}

/** A merge of ours, stopped half way. */
function halfMerged(seed: number): Case {
  const { volume, origin, cow } = writeStore(seed);
  volume.settle();
  const view = volume.hash(0);
  volume.close();
  const again = new Volume(origin, { mergePaced: true, mergeBatches: seed % 2 === 0, mergeChunks: 20 });
  again.open(0, { disk: cow, store: "P", chunkSectors: 0 });
  const { core } = again.shell;
  again.operation((operation) => core.mergeStart(operation, 0));
  for (let step = 0; step < 3; step++) {
    core.mergeContinue();
    again.shell.run();
  }
  again.close();
  expect(core.status(0).mergeFraction).toBeGreaterThan(0);
  return { origin: origin.bytes, cow: cow.bytes, view, status: "" };
}

type Asked<Answer> = Case & { readonly kernel: Answer };
type Ask<Answer> = (images: OracleImages, pairs: readonly Pair[]) => Promise<readonly Answer[]>;

/** All cases of one kind in one guest, which takes seconds to boot; the first test that asks has it run. */
class Together<Answer> {
  readonly #cases: ReadonlyMap<number, () => Case>;
  readonly #ask: Ask<Answer>;
  #answers: Promise<ReadonlyMap<number, Asked<Answer>>> | undefined;

  constructor(cases: ReadonlyMap<number, () => Case>, ask: Ask<Answer>) {
    this.#cases = cases;
    this.#ask = ask;
  }

  async of(seed: number): Promise<Asked<Answer>> {
    this.#answers ??= this.#run();
    return (await this.#answers).get(seed)!;
  }

  async #run(): Promise<ReadonlyMap<number, Asked<Answer>>> {
    using images = new OracleImages();
    const cases = [...this.#cases].map(([seed, make]) => ({ seed, ...make() }));
    const pairs = cases.map(
      ({ seed, origin, cow }) => [images.put(`o${seed}.img`, origin), images.put(`c${seed}.img`, cow)] as const,
    );
    const answers = await this.#ask(images, pairs);
    return new Map(cases.map((one, i) => [one.seed, { ...one, kernel: answers[i] }]));
  }
}

const CLOSED = [1, 2, 3];
const CUT = [4, 5];
const MERGED = [6, 7];
const HALF_MERGED = [8, 9];

const each = (seeds: readonly number[], make: (seed: number) => Case): [number, () => Case][] =>
  seeds.map((seed) => [seed, () => make(seed)]);

const reads = new Together(new Map([...each(CLOSED, closed), ...each(CUT, cut)]), (images, pairs) =>
  images.readAll(pairs),
);
const merges = new Together(new Map([...each(MERGED, closed), ...each(HALF_MERGED, halfMerged)]), (images, pairs) =>
  images.mergeAll(pairs),
);

test.each(CLOSED)(
  "workload %d: the kernel reads our store, with our view and our status (S-71, S-80)",
  async (seed) => {
    const { kernel, view, status } = await reads.of(seed);
    expect(kernel).toMatchObject({ guest: "ok", ok: true, load_errno: 0, view_sha256: view });
    expect(statusText(kernel.status)).toBe(status);
  },
);

test.each(CUT)("workload %d: cut by a power failure, the kernel reads what we read (S-80…S-82)", async (seed) => {
  const { kernel, view, status } = await reads.of(seed);
  expect(kernel).toMatchObject({ guest: "ok", ok: true, load_errno: 0, view_sha256: view });
  expect(statusText(kernel.status)).toBe(status);
});

test.each(MERGED)("workload %d: merged by the kernel, our store becomes our view (S-60…S-67)", async (seed) => {
  const { kernel, view, status } = await merges.of(seed);
  expect(kernel).toMatchObject({ guest: "ok", why: "merged", origin_sha256: view });
  expect(statusText(kernel.initial_status)).toBe(status);
});

test.each(HALF_MERGED)(
  "workload %d: a merge of ours, stopped half way, is ended by the kernel (S-65, S-69)",
  async (seed) => {
    const { kernel, view } = await merges.of(seed);
    expect(kernel).toMatchObject({ guest: "ok", why: "merged", origin_sha256: view });
  },
);

/** Random operations for the kernel, one at a time. */
function randomOps(random: SeededRandom, originSectors: number, count: number): string {
  let ops = "";
  for (let i = 0; i < count; i++) {
    const sectors = 1 + random.below(40);
    const first = random.below(originSectors - sectors);
    ops += `${random.pick(["origin-write", "snap-write"])} ${first * SECTOR_BYTES} ${sectors * SECTOR_BYTES} ${i + 1}\n`;
  }
  return ops;
}

test.each([10, 11, 12])("workload %d: the kernel's images are ours, and our merge is the kernel's", async (seed) => {
  const random = new SeededRandom(seed * 15_485_863);
  const chunk = random.pick([1, 8, 16]);
  const originSectors = 512 + random.below(512);
  const ops = randomOps(random, originSectors, 60);
  const blank = new Uint8Array((originSectors + 200 * chunk) * SECTOR_BYTES);
  const before = new Uint8Array(dataPattern(originSectors * SECTOR_BYTES, seed));

  using images = new OracleImages();
  const [originPath, cowPath] = [images.put("o.img", before), images.put("c.img", blank)];
  const made = await images.create(originPath, [cowPath], [chunk], ops);

  const origin = new FakeDisk(before.slice());
  const cow = new FakeDisk(blank.slice());
  const list = parseOps(ops);
  const replay = new OpReplay(
    {
      origin,
      cows: [{ disk: cow, store: "P", chunkSectors: chunk }],
      features: [],
      options: { early: random.chance(50) },
    },
    list,
  );
  replay.run(list);
  expect(replay.volume.status(0)).toBe(statusText(made.snapshots[0]!.status));
  expect(replay.volume.hash(0)).toBe(made.snapshots[0]!.view_sha256);
  replay.close();
  expect(sha256(cow.bytes)).toBe(sha256(images.get("c.img")));
  expect(sha256(origin.bytes)).toBe(made.origin_sha256);

  const kernel = await images.merge(originPath, cowPath);
  const volume = new Volume(origin, { mergeBatches: random.chance(50), mergeChunks: 30 });
  volume.open(0, { disk: cow, store: "P", chunkSectors: 0 });
  expect(volume.operation((operation) => volume.shell.core.mergeStart(operation, 0))).toEqual({
    error: 0,
    message: "",
  });
  expect(sha256(origin.bytes)).toBe(kernel.origin_sha256);
  expect(sha256(cow.bytes)).toBe(kernel.cow_sha256);
});
