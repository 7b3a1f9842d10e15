/**
 * Groups of snapshots over the volumes of one engine, with real threads: one point in time, under writers who go from volume to volume, and all or none.
 *
 * The judge is a writer's journal: number n goes to volume n mod 3, and is sent when n − 1 has been acknowledged. So what a group holds must be all
 * numbers up to some n: a hole would be a write that is in one snapshot, and what was answered before it in none.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { type Engine, type GroupMember, openEngine, type Volume } from "../../src/index.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { needSmallFileSystems, SmallFileSystem } from "../support/small-file-system.ts";

const MIB = 2 ** 20;
const NAMES = ["a", "b", "c"] as const;
const GROUPS = 20;
const WRITERS = 4;
const CELL = 4096;
/** Places of a writer in each volume. */
const CELLS = 16;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Bench {
  readonly engine: Engine;
  readonly scratch: Scratch;
  readonly volumes: readonly Volume[];
}

async function open(): Promise<Bench> {
  const scratch = await makeScratch();
  ends.push(() => scratch.remove());
  const engine = await openEngine({ workers: 2, listen: [`unix:${scratch.file("engine")}`] });
  ends.push(() => engine.close());
  const volumes: Volume[] = [];
  for (const name of NAMES) {
    writeFileSync(scratch.file(name), Buffer.alloc(MIB));
    volumes.push(await engine.openVolume({ name, origin: scratch.file(name) }));
  }
  return { engine, scratch, volumes };
}

async function connect({ scratch }: Bench, name: string): Promise<NbdClient> {
  const client = await NbdClient.open({ path: scratch.file("engine") }, name);
  ends.push(() => client.destroy());
  return client;
}

function members({ scratch }: Bench, name: string): GroupMember[] {
  return NAMES.map((volume) => ({
    volume,
    snapshot: { name, cow: scratch.file(`${volume}.${name}`), size: 4 * MIB, chunkSize: 4096 },
  }));
}

function snapshotsOf({ volumes }: Bench): string[][] {
  return volumes.map((volume) => volume.exports.map(({ name }) => name).filter((name) => name !== "origin"));
}

/** One number after the other, each to the next volume, each when the one before is acknowledged. */
class Writer {
  readonly #index: number;
  readonly #clients: readonly NbdClient[];
  begun = 0;
  acknowledged = 0;
  stopped = false;

  constructor(index: number, clients: readonly NbdClient[]) {
    this.#index = index;
    this.#clients = clients;
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      const value = ++this.begun;
      const cell = Buffer.alloc(CELL);
      cell.writeUInt32LE(value, 0);
      await this.#clients[value % NAMES.length]!.write(this.#at(value), cell);
      this.acknowledged = value;
    }
  }

  /** The last number that is there; throws where one before it is not. */
  lastIn(contents: readonly Buffer[]): number {
    const values = contents.map((content) =>
      Array.from({ length: CELLS }, (_, cell) => content.readUInt32LE(this.#at(cell * NAMES.length))),
    );
    const last = Math.max(...values.flat());
    const oldest = Math.max(1, last - NAMES.length * CELLS + 1);
    for (let value = oldest; value <= last; value++) {
      const there = contents[value % NAMES.length]!.readUInt32LE(this.#at(value));
      if (there !== value) throw new Error(`writer ${this.#index}: ${last} is there, and instead of ${value} ${there}`);
    }
    return last;
  }

  #at(value: number): number {
    return (this.#index * CELLS + (Math.floor(value / NAMES.length) % CELLS)) * CELL;
  }
}

test(`E-50: ${GROUPS} groups over three volumes, under writers who go from one to the next, are one point in time each`, async () => {
  const bench = await open();
  const clients = await Promise.all(NAMES.map((name) => connect(bench, name)));
  const writers = Array.from({ length: WRITERS }, (_, i) => new Writer(i, clients));
  const running = Promise.all(writers.map((writer) => writer.run()));
  running.catch(() => {});
  for (let round = 0; round < GROUPS; round++) {
    const name = `g${round}`;
    const goals = writers.map(({ acknowledged }) => acknowledged + 20);
    while (writers.some(({ acknowledged }, i) => acknowledged < goals[i]!))
      await new Promise((resolve) => setImmediate(resolve));
    const before = writers.map(({ acknowledged }) => acknowledged);
    const { pauseUs, members: made } = await bench.engine.createSnapshots(members(bench, name));
    const after = writers.map(({ begun }) => begun);
    expect(made.map((one) => `${one.volume}@${one.name}`)).toEqual(NAMES.map((one) => `${one}@${name}`));
    for (const one of made) expect(one.pauseUs).toBeGreaterThan(0);
    expect(pauseUs).toBeGreaterThanOrEqual(Math.max(...made.map((one) => one.pauseUs)));
    const contents: Buffer[] = [];
    for (const volume of NAMES) {
      const snapshot = await connect(bench, `${volume}@${name}`);
      contents.push(await snapshot.read(0, MIB));
      await snapshot.disconnect();
    }
    for (const [i, writer] of writers.entries()) {
      const last = writer.lastIn(contents);
      expect(last).toBeGreaterThanOrEqual(before[i]!);
      expect(last).toBeLessThanOrEqual(after[i]!);
    }
    for (const volume of bench.volumes) await volume.dropSnapshot(name);
  }
  for (const writer of writers) writer.stopped = true;
  await running;
  for (const volume of bench.volumes) {
    const pauses = volume.stats().snapshotPause;
    expect(pauses.reduce((sum, count) => sum + count, 0)).toBe(GROUPS);
  }
});

test("E-50: a volume may have several snapshots in a group, and is held once for them", async () => {
  const bench = await open();
  const [a, b] = members(bench, "one");
  const twin = { volume: "a", snapshot: { ...a!.snapshot, name: "two", cow: bench.scratch.file("two") } };
  const { members: made } = await bench.engine.createSnapshots([a!, b!, twin]);
  expect(made[0]!.pauseUs).toBe(made[2]!.pauseUs);
  expect(snapshotsOf(bench)).toEqual([["one", "two"], ["one"], []]);
  expect(bench.volumes.map((volume) => volume.stats().snapshotPause.filter((count) => count > 0))).toEqual([
    [1],
    [1],
    [],
  ]);
});

test.each([
  ["a name that is taken", "EEXIST", "b@taken: there is a snapshot named 'taken' already"],
  ["a folder that is not there", "ENOENT", "b@taken: "],
])(
  "E-50: a member that fails for %s takes all with it, files and records, and is named",
  async (what, code, message) => {
    const bench = await open();
    if (code === "EEXIST")
      await bench.volumes[1]!.createSnapshot({ name: "taken", cow: bench.scratch.file("first"), size: 4 * MIB });
    const nowhere = bench.scratch.file("none/taken");
    const wanted = members(bench, "taken").map((one) =>
      code === "ENOENT" && one.volume === "b" ? { ...one, snapshot: { ...one.snapshot, cow: nowhere } } : one,
    );
    const error = await bench.engine.createSnapshots(wanted).catch((thrown: unknown) => thrown);
    expect(error, what).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(snapshotsOf(bench)).toEqual([[], code === "EEXIST" ? ["taken"] : [], []]);
    for (const volume of NAMES) expect(existsSync(bench.scratch.file(`${volume}.taken`))).toBe(false);
    for (const name of ["a", "c"]) expect(existsSync(bench.scratch.file(`${name}.snapshots`))).toBe(false);
    // Nothing of it stands in the way.
    await bench.engine.createSnapshots(members(bench, "again"));
  },
);

// A reserved file finds no room when it is made; a sparse one when its store is formatted, and the others have theirs by then.
test.for([
  ["tmpfs", false],
  ["ext4", true],
] as const)(
  "E-50: a member whose %s is full (sparse: %s) takes all with it, while all volumes go on; with room for it the same order succeeds",
  async ([kind, sparse], { skip }) => {
    needSmallFileSystems(skip, kind);
    const bench = await open();
    const small = await SmallFileSystem.mount(bench.scratch, kind, 8);
    ends.push(() => small.unmount());
    small.fill();
    const clients = await Promise.all(NAMES.map((name) => connect(bench, name)));
    const writer = new Writer(0, clients);
    const running = writer.run();
    running.catch(() => {});
    const wanted = members(bench, "g").map(({ volume, snapshot }) => ({
      volume,
      snapshot: volume === "b" ? { ...snapshot, cow: small.file("b.g"), size: MIB, sparse } : snapshot,
    }));
    // A register that was written stays, and lists nothing.
    const folders = (): string[][] =>
      [small.path, bench.scratch.file("")].map((path) =>
        readdirSync(path).filter((name) => !name.endsWith(".snapshots")),
      );
    const registered = (): string[] =>
      NAMES.map((name) => bench.scratch.file(`${name}.snapshots`))
        .filter((path) => existsSync(path))
        .flatMap((path) => Object.keys((JSON.parse(readFileSync(path, "utf8")) as { snapshots: object }).snapshots));
    const before = folders();
    for (let i = 0; i < 2; i++) {
      const error = await bench.engine.createSnapshots(wanted).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "ENOSPC", message: expect.stringContaining("b@g") });
      expect([snapshotsOf(bench), folders(), registered()]).toEqual([[[], [], []], before, []]);
      const goal = writer.acknowledged + 2 * NAMES.length;
      while (writer.acknowledged < goal) await Promise.race([running, new Promise((done) => setTimeout(done, 1))]);
    }
    small.empty();
    const acknowledged = writer.acknowledged;
    await bench.engine.createSnapshots(wanted);
    writer.stopped = true;
    await running;
    const contents: Buffer[] = [];
    for (const volume of NAMES) contents.push(await (await connect(bench, `${volume}@g`)).read(0, MIB));
    expect(writer.lastIn(contents)).toBeGreaterThanOrEqual(acknowledged);
    await bench.engine.close();
  },
);

test("E-50: what a group may name is checked before anything is made", async () => {
  const bench = await open();
  const [a, b] = members(bench, "monday");
  const refused = async (given: readonly GroupMember[]): Promise<unknown> =>
    await bench.engine.createSnapshots(given).catch((error: { code: string }) => error.code);
  expect(await refused([])).toBe("ERR_INVALID_ARG_VALUE");
  expect(await refused([a!, a!])).toBe("EEXIST");
  expect(await refused([a!, { ...b!, volume: "none" }])).toBe("ENOENT");
  const wrong = { ...b!, snapshot: { ...b!.snapshot, size: 5 } };
  await expect(bench.engine.createSnapshots([a!, wrong])).rejects.toMatchObject({ option: "members[1].snapshot.size" });
  const aborted = bench.engine.createSnapshots([a!, b!], { signal: AbortSignal.abort() });
  await expect(aborted).rejects.toMatchObject({ code: "ABORT_ERR" });
  expect(snapshotsOf(bench)).toEqual([[], [], []]);
  await bench.volumes[0]!.close();
  expect(await refused([a!, b!])).toBe("ENOENT");
  await bench.engine.close();
  expect(await refused([b!])).toBe("ESHUTDOWN");
});

test("E-50: a signal, wherever it finds the group, leaves all or none", async () => {
  const bench = await open();
  let looks = 0;
  for (let look = 1; ; look++) {
    const { signal } = new AbortController();
    let seen = 0;
    Object.defineProperty(signal, "aborted", { get: () => ++seen >= look });
    const order = bench.engine.createSnapshots(members(bench, "s"), { signal });
    const made = await order.catch((error: unknown) => error);
    if (!(made instanceof Error)) break;
    looks = look;
    expect(made).toMatchObject({ code: "ABORT_ERR" });
    expect(snapshotsOf(bench)).toEqual([[], [], []]);
    for (const volume of NAMES) expect(existsSync(bench.scratch.file(`${volume}.s`))).toBe(false);
  }
  expect(looks).toBeGreaterThan(2);
  expect(snapshotsOf(bench)).toEqual([["s"], ["s"], ["s"]]);
});
