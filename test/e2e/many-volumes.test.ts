/**
 * Sixteen volumes with two snapshots each in one process: fio writes and verifies all of them at once while snapshots come and go, the process is
 * killed, and every promise of every volume holds when it is opened again. Whose images are right the real kernel says.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import type { EngineVolumeOptions } from "../../src/index.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { EngineProcess } from "../support/engine-process.ts";
import { OracleImages, requireOracle } from "../support/dm-oracle.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { runOk } from "../support/run-command.ts";

const MIB = 2 ** 20;
const VOLUMES = 16;
const BYTES = 2 * MIB;
const SNAPSHOTS = ["first", "second"] as const;
/** What the kernel is asked about. */
const JUDGED = 4;
const TIMEOUT = 300_000;

const names = Array.from({ length: VOLUMES }, (_, i) => `v${i}`);
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const before = (i: number): Buffer => dataPattern(BYTES, i + 1);

class Place {
  readonly scratch: Scratch;

  constructor(scratch: Scratch) {
    this.scratch = scratch;
  }

  origin(name: string): string {
    return this.scratch.file(name);
  }

  cow(name: string, snapshot: string): string {
    return this.scratch.file(`${name}.${snapshot}`);
  }

  options(name: string): EngineVolumeOptions {
    const cow = (one: string): string => this.cow(name, one);
    const snapshots = SNAPSHOTS.map((one) => ({ name: one, cow: cow(one), size: 2 * BYTES, chunkSize: 4096 }));
    return { name, origin: this.origin(name), snapshots };
  }

  uri(name: string): string {
    return `nbd+unix:///${name}?socket=${this.scratch.file("socket")}`;
  }

  async hashOf(name: string): Promise<string> {
    const pipe = 'set -o pipefail; nbdcopy "$1" - | sha256sum';
    return (await runOk("bash", "-c", pipe, "bash", this.uri(name))).split(" ")[0]!;
  }
}

async function start(place: Place): Promise<EngineProcess> {
  const server = new EngineProcess();
  ends.push(() => server.kill());
  await server.engine({ workers: 2, listen: [`unix:${place.scratch.file("socket")}`] });
  await Promise.all(names.map((name) => server.open(place.options(name))));
  return server;
}

/** Every volume is written by a job of its own, which then reads what it has written. */
function fio(place: Place, ...more: readonly string[]): Promise<string> {
  const jobs = names.map((name) => [`--name=${name}`, `--uri=${place.uri(name)}`]);
  const all = ["--ioengine=nbd", "--rw=randwrite", "--bs=4k", "--iodepth=8", `--size=${BYTES}`, "--randrepeat=0"];
  return runOk("fio", ...all, "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", ...more, ...jobs.flat());
}

async function comeAndGo(server: EngineProcess, place: Place, until: Promise<unknown>): Promise<number> {
  let over = false;
  void until.finally(() => (over = true)).catch(() => {});
  let rounds = 0;
  for (; !over || rounds < VOLUMES; rounds++) {
    const name = names[(5 * rounds) % VOLUMES]!;
    await server.create(name, { name: "passing", cow: place.cow(name, `passing${rounds}`), size: 2 * BYTES });
    await server.drop(name, "passing");
  }
  return rounds;
}

test(
  "sixteen volumes under verifying writers keep every promise, while snapshots come and go, through a kill",
  async (context) => {
    requireOracle(context);
    const scratch = await makeScratch();
    ends.push(() => scratch.remove());
    const place = new Place(scratch);
    for (const [i, name] of names.entries()) writeFileSync(place.origin(name), before(i));
    const server = await start(place);
    expect((await server.stats()).devices).toBe(3 * VOLUMES);
    const writing = fio(place);
    const [rounds] = await Promise.all([comeAndGo(server, place, writing), writing]);
    expect(rounds).toBeGreaterThanOrEqual(VOLUMES);
    for (const [i, name] of names.entries()) expect(await place.hashOf(`${name}@second`), name).toBe(hash(before(i)));
    const more = fio(place, "--loops=100").catch(() => "cut off");
    await server.closeVolume(names[3]!);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await server.kill();
    await more;
    const again = await start(place);
    for (const [i, name] of names.entries()) {
      for (const one of SNAPSHOTS) expect(await place.hashOf(`${name}@${one}`), `${name}@${one}`).toBe(hash(before(i)));
    }
    await again.close();
    using images = new OracleImages();
    const pairs = names.slice(0, JUDGED).map((name) => [place.origin(name), place.cow(name, "first")] as const);
    const views = await images.readAll(pairs);
    expect(views.map(({ view_sha256 }) => view_sha256)).toEqual(names.slice(0, JUDGED).map((_, i) => hash(before(i))));
    expect(readFileSync(place.origin(names[0]!)).equals(before(0))).toBe(false);
  },
  TIMEOUT,
);
