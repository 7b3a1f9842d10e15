/**
 * A volume that is killed again and again under load, and opened again; the ledgers of its clients are the judge.
 *
 *   0            half                size
 *   ├─ ledgers ──┼─ fio ─────────────┤     of the origin, and of the snapshot "written"
 *
 *   round: open ─ compare everything ─ fio, clients ─ create, drop, merge … ─ SIGKILL ─ decode the files offline
 *
 * Snapshots: "written" has clients and fio of its own, and is merged now and then; "read" must stay what the origin was at first;
 * "late" is made and dropped under load. What was promised is promised across any number of kills: a merge that was cut is presented
 * again, and then stopped, or the opening is told not to merge (E-36); one that has ended leaves "written" as it was at that moment; the ledgers go on from what they found. The seed fixes the schedule, not what the threads make of it.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { VolumeOptions } from "../../src/index.ts";
import { SnapshotView } from "../../src/offline/snapshot-view.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { OracleImages, type OracleRead } from "../support/dm-oracle.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { firstDifference, MIB, readAll } from "../support/volume.ts";
import { type Ended, KilledServer } from "./killed-server.ts";
import { Ledger, type Moment } from "./ledger.ts";
import { Fio, LedgerClient } from "./load.ts";

const SIZE = 8 * MIB;
const HALF = SIZE / 2;
const CLIENTS = 2;
/** Acknowledged writes of a round before the kill. */
const WRITES_MIN = 20;
const WRITES_MAX = 200;
/** fio is under way when each of its exports has had so many requests. */
const FIO_REQUESTS = 30;
/** A user-mode kernel on a busy machine sometimes dies by itself ("Segfault with no mm") before it has read anything. */
const GUESTS = 3;
const SPREAD = 0x9e3779b1;
const COW = { size: 64 * MIB, sparse: true } as const;
/** A kill leaves the page cache, so memory is as good as a disk, and a round takes a second instead of ten. */
const MEMORY = "/dev/shm";

type Action = "none" | "create" | "drop" | "merge" | "stop merge";

export interface LifeFigures {
  kills: number;
  /** Blocks that held a write which had been acknowledged, not flushed, or was still on its way. */
  late: number;
  writes: number;
  offline: number;
  kernel: number;
  /** Merges that were presented again after a kill. */
  presented: number;
  readonly actions: Record<string, number>;
}

export interface KillOptions {
  readonly seed: number;
  readonly rounds: number;
  /** Have the real kernel read the stores in so many percent of the rounds. */
  readonly kernelPercent: number;
  readonly say?: ((line: string) => void) | undefined;
}

export async function liveUnderKills(options: KillOptions): Promise<LifeFigures> {
  const scratch = await makeScratch(existsSync(MEMORY) ? MEMORY : tmpdir());
  const life = new Life(options, scratch);
  try {
    await life.run();
    return life.figures;
  } finally {
    await life.end();
    await scratch.remove();
  }
}

class Life {
  readonly figures: LifeFigures = { kills: 0, late: 0, writes: 0, offline: 0, kernel: 0, presented: 0, actions: {} };
  readonly #options: KillOptions;
  readonly #scratch: Scratch;
  readonly #random: SeededRandom;
  readonly #before: Buffer = dataPattern(SIZE, 1);
  readonly #origin: readonly Ledger[];
  readonly #written: readonly Ledger[];
  readonly #fio: Fio[] = [];
  #server: KilledServer | undefined;
  #clients: LedgerClient[] = [];
  /** Views that were decoded from the files after the last kill. */
  readonly #decoded = new Map<string, Buffer>();
  /** The snapshot "late": what it may show, and what it has shown. */
  #moments: readonly Moment[] | undefined;
  #reference: Buffer | undefined;
  #lateMade = false;
  #lateDropped = false;
  #merged = false;
  /** While "written" merged: what it may show if the origin has been handed back, by itself or by a stop (then its clients had stopped). */
  #handover: readonly Moment[] = [];
  #stops = false;
  /** The register says that it has been. */
  #handedBack = false;
  /** The server has "written" in place of the origin, as before the kill. */
  #presented = false;
  #acknowledged = 0;
  #reached: { readonly count: number; readonly then: () => void } | undefined;

  constructor(options: KillOptions, scratch: Scratch) {
    this.#options = options;
    this.#scratch = scratch;
    this.#random = new SeededRandom(Math.imul(options.seed + 1, SPREAD));
    const ledgers = (): Ledger[] =>
      Array.from({ length: CLIENTS }, (_, i) => {
        const offset = (i * HALF) / CLIENTS;
        return new Ledger(offset, this.#before.subarray(offset, offset + HALF / CLIENTS));
      });
    this.#origin = ledgers();
    this.#written = ledgers();
  }

  async run(): Promise<void> {
    await writeFile(this.#path("origin"), this.#before);
    for (let round = 0; round < this.#options.rounds; round++) {
      await this.#open(round);
      await this.#compare();
      await this.#loadAndKill(round);
      if (this.#random.chance(60)) this.#decode();
      if (this.#random.chance(this.#options.kernelPercent)) await this.#askKernel();
    }
    await this.#open(this.#options.rounds);
    await this.#compare();
  }

  async end(): Promise<void> {
    await this.#server?.kill();
    await Promise.allSettled([...this.#clients.map(({ ended }) => ended), ...this.#fio.map((fio) => fio.end())]);
  }

  #path(name: string): string {
    return this.#scratch.file(name);
  }

  /** Of the register beside the origin: the snapshots that must be given. */
  #registered(): Record<string, string> {
    const path = this.#path("origin.snapshots");
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return {};
    const { snapshots } = JSON.parse(readFileSync(path, "utf8")) as { snapshots: Record<string, { state: string }> };
    return Object.fromEntries(Object.entries(snapshots).map(([name, { state }]) => [name, state]));
  }

  #names(): string[] {
    const registered = this.#registered();
    const late = this.#lateMade && (registered["late"] === "active" || !this.#lateDropped);
    if (late && registered["late"] !== "active") throw new Error("late: it was made, and is not registered (E-46)");
    return registered["late"] === "active" ? ["written", "read", "late"] : ["written", "read"];
  }

  #snapshot(name: string): { name: string; cow: string; chunkSize: number; size: number; sparse: boolean } {
    return { name, cow: this.#path(`${name}.cow`), chunkSize: name === "read" ? 16_384 : 4096, ...COW };
  }

  async #open(round: number): Promise<void> {
    const random = this.#random;
    const settings: Partial<VolumeOptions> = {
      early: random.chance(60),
      io: random.pick(["auto", "auto", "sync"]),
      direct: random.pick(["auto", true]),
      fills: random.chance(70),
      reserves: random.chance(70),
      mergeBatches: random.chance(70),
      mergePercent: random.pick([5, 30, 100]),
      workers: 1 + random.below(2),
    };
    for (const ledger of this.#written) ledger.strict = settings.early !== true;
    const merging = this.#registered()["written"] === "merging";
    this.#handedBack = this.#merged && !merging;
    const noMerge = merging && random.chance(30);
    this.#presented = merging && !noMerge;
    this.#options.say?.(`round ${round} of seed ${this.#options.seed}: ${JSON.stringify(settings)}`);
    const snapshots = this.#names().map((name) => this.#snapshot(name));
    const listen = [`unix:${this.#path("socket")}`];
    this.#server = await KilledServer.start({ ...settings, noMerge, origin: this.#path("origin"), snapshots, listen });
  }

  async #view(name: string): Promise<Buffer> {
    const client = await this.#connect(name);
    const content = await readAll(client);
    client.destroy();
    return content;
  }

  #connect(name: string): Promise<NbdClient> {
    return NbdClient.open({ path: this.#path("socket") }, name);
  }

  /** Everything as it is after a kill, before anything is written. */
  async #compare(): Promise<void> {
    if (this.#presented) await this.#comparePresented();
    const origin = await this.#view("");
    if (this.#handedBack && !this.#stops)
      for (const ledger of this.#written) this.figures.late += ledger.check(origin, "the volume that was merged");
    if (this.#merged) for (const ledger of this.#origin) ledger.restart(origin);
    else for (const ledger of this.#origin) this.figures.late += ledger.check(origin, "origin");
    this.#merged = false;
    for (const name of this.#names()) {
      if ((await this.#state(name)) === "invalid") {
        if (name === "late" && this.#lateDropped) continue;
        throw new Error(`${name} is Invalid`);
      }
      const view = await this.#view(name);
      const decoded = this.#decoded.get(name);
      if (decoded !== undefined) this.#same(view, decoded, `${name}, as it was decoded`);
      if (name === "read") this.#same(view, this.#before, name);
      else if (name === "late") this.#compareLate(view);
      else if (this.#handedBack) this.#compareHandedBack(view);
      else for (const ledger of this.#written) this.figures.late += ledger.check(view, name);
    }
    this.#decoded.clear();
    if (!this.#names().includes("late")) this.#forgetLate();
  }

  /** Clients see what they saw before the kill, under the same name; then the origin is handed back. */
  async #comparePresented(): Promise<void> {
    // Nothing was left to be merged: then nothing is presented either, and the origin is what it was to be.
    const { snapshots } = await this.#server!.stats();
    const { state, exceptions } = snapshots.find(({ name }) => name === "written")!;
    const isOver = state === "active" && exceptions === 0;
    if (!isOver && state !== "merging") throw new Error("written is registered as merging, and not presented");
    const view = await this.#view("");
    const decoded = this.#decoded.get("written");
    if (decoded !== undefined) this.#same(view, decoded, "the presented volume, as it was decoded");
    for (const ledger of this.#written) this.figures.late += ledger.check(view, "the presented volume");
    if (!isOver) refuseStop(await this.#server!.order("stopMerge"));
    this.figures.presented += 1;
  }

  /** It is of the moment at which the merge has ended. */
  #compareHandedBack(view: Buffer): void {
    for (const [i, moment] of this.#handover.entries()) {
      const { offset, bytes } = this.#written[i]!;
      moment.check(view.subarray(offset, offset + bytes), "written, handed back");
      this.#written[i]!.restart(view);
    }
  }

  async #state(name: string): Promise<string | undefined> {
    const stats = await this.#server!.stats();
    return stats.snapshots.find((snapshot) => snapshot.name === name)?.state;
  }

  #compareLate(view: Buffer): void {
    if (this.#reference !== undefined) return this.#same(view, this.#reference, "late");
    for (const [i, moment] of (this.#moments ?? []).entries()) {
      const { offset, bytes } = this.#origin[i]!;
      moment.check(view.subarray(offset, offset + bytes), "late");
    }
    this.#reference = view;
    this.#lateMade = true;
  }

  #forgetLate(): void {
    this.#reference = undefined;
    this.#moments = undefined;
    this.#lateMade = false;
    this.#lateDropped = false;
    rmSync(this.#path("late.cow"), { force: true });
  }

  #same(view: Buffer, expected: Buffer, name: string): void {
    const at = firstDifference(view, expected);
    if (at >= 0) throw new Error(`${name} differs at byte ${at}`);
  }

  // ---- load ----

  #drawAction(): Action {
    const registered = this.#registered();
    const late = registered["late"] === undefined ? "create" : "drop";
    return this.#random.pick<Action>(["none", late, late, "merge", "merge", "stop merge"]);
  }

  async #loadAndKill(round: number): Promise<void> {
    const random = this.#random;
    const action = this.#drawAction();
    const before = random.below(WRITES_MAX);
    // Soon after an order was given, so that it is cut at any of its steps.
    const behind = action === "none" ? WRITES_MIN : random.below(random.pick([4, 40, 200]));
    this.#options.say?.(`  ${before} writes, ${action}, ${behind} writes, SIGKILL`);
    this.figures.actions[action] = (this.figures.actions[action] ?? 0) + 1;
    const merges = action === "merge" || action === "stop merge";
    this.#acknowledged = 0;
    await this.#startFio(merges ? ["written"] : ["", "written"]);
    await this.#startClients("written", this.#written);
    if (!merges) await this.#startClients("", this.#origin);
    await this.#writes(WRITES_MIN + before);
    const order = merges ? await this.#merge(action === "stop merge") : this.#createOrDrop(action);
    await this.#writes(this.#acknowledged + behind);
    await this.#kill(round);
    await order;
  }

  async #startFio(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const uri = `nbd+unix:///${name}?socket=${this.#path("socket")}`;
      this.#fio.push(new Fio(uri, HALF, HALF, this.#random));
    }
    for (;;) {
      const { exports } = await this.#server!.stats();
      const busy = exports.filter(({ reads, writes }) => reads + writes >= FIO_REQUESTS).map(({ name }) => name);
      if (names.every((name) => busy.includes(name === "" ? "origin" : name))) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #startClients(name: string, ledgers: readonly Ledger[]): Promise<void> {
    for (const ledger of ledgers) {
      const client = await this.#connect(name);
      const random = new SeededRandom(this.#random.below(2 ** 31));
      this.#clients.push(new LedgerClient(client, ledger, random, () => this.#count()));
    }
  }

  #count(): void {
    this.#acknowledged += 1;
    if (this.#reached === undefined || this.#acknowledged < this.#reached.count) return;
    this.#reached.then();
    this.#reached = undefined;
  }

  /** Wait until so many writes of the round have been acknowledged; a client that fails is not waited for. */
  async #writes(count: number): Promise<void> {
    if (this.#acknowledged >= count) return;
    const reached = new Promise<void>((then) => {
      this.#reached = { count, then };
    });
    await Promise.race([reached, Promise.all(this.#clients.map(({ ended }) => ended))]);
  }

  // ---- orders ----

  #createOrDrop(action: Action): Promise<void> {
    if (action === "create") return this.#create();
    return action === "drop" ? this.#drop() : Promise.resolve();
  }

  async #create(): Promise<void> {
    this.#moments = this.#origin.map((ledger) => ledger.beginMoment());
    const ended = await this.#server!.order("createSnapshot", this.#snapshot("late"));
    for (const ledger of this.#origin) ledger.endMoment();
    refuse(ended);
    if (ended === "done") this.#lateMade = true;
  }

  async #drop(): Promise<void> {
    this.#lateDropped = true;
    refuse(await this.#server!.order("dropSnapshot", "late"));
  }

  /** The snapshot's clients go on with what is presented in place of the origin: it is the same volume. */
  async #merge(stop: boolean): Promise<Promise<void>> {
    await this.#stopClients();
    await this.#endFio();
    this.#merged = true;
    this.#stops = stop;
    this.#handover = this.#written.map((ledger) => ledger.beginMoment());
    refuse(await this.#server!.order("startMerge", "written"));
    await this.#startFio([""]);
    await this.#startClients("", this.#written);
    if (!stop) return Promise.resolve();
    await this.#writes(this.#acknowledged + this.#random.below(40));
    await this.#stopClients();
    return this.#server!.order("stopMerge").then(refuseStop);
  }

  async #stopClients(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    this.#clients = [];
  }

  async #endFio(): Promise<void> {
    await Promise.all(this.#fio.splice(0).map((fio) => fio.end()));
  }

  async #kill(round: number): Promise<void> {
    const said = await this.#server!.kill();
    this.#server = undefined;
    this.figures.kills += 1;
    this.figures.writes += this.#acknowledged;
    await Promise.all(this.#clients.map(({ ended }) => ended));
    this.#clients = [];
    await this.#endFio();
    if (said !== "") throw new Error(`round ${round}: the server said: ${said}`);
  }

  // ---- others that read the files ----

  #decode(): void {
    for (const name of this.#names()) {
      if (this.#isInvalid(name)) continue;
      using view = new SnapshotView({ origin: this.#path("origin"), cow: this.#path(`${name}.cow`) });
      const content = Buffer.alloc(SIZE);
      for (const { position, bytes } of view.pieces()) bytes.copy(content, position);
      this.#decoded.set(name, content);
      this.figures.offline += 1;
    }
  }

  /** The real kernel sees what the decoder sees. It gets copies: it may write. */
  async #askKernel(): Promise<void> {
    if (this.#decoded.size === 0) this.#decode();
    for (const [name, content] of this.#decoded) {
      let read = await this.#readByKernel(name);
      for (let i = 1; i < GUESTS && read.guest !== "ok"; i++) read = await this.#readByKernel(name);
      const hash = createHash("sha256").update(content).digest("hex");
      if (read.view_sha256 !== hash)
        throw new Error(`${name}: the kernel sees something else: ${JSON.stringify(read)}`);
      this.figures.kernel += 1;
    }
  }

  async #readByKernel(name: string): Promise<OracleRead> {
    using images = new OracleImages();
    const origin = images.put("origin", readFileSync(this.#path("origin")));
    const cow = images.put("cow", new Uint8Array(0));
    copyFileSync(this.#path(`${name}.cow`), cow);
    return await images.read(origin, cow);
  }

  /** A drop that was cut may have come this far. */
  #isInvalid(name: string): boolean {
    return name === "late" && readFileSync(this.#path("late.cow")).readUInt32LE(4) === 0;
  }
}

function refuse(ended: Ended): void {
  if (typeof ended === "object") throw new Error(`an order was refused: ${ended.error}`);
}

/** It may have come to its end before. */
function refuseStop(ended: Ended): void {
  if (typeof ended !== "object" || !ended.error.includes("no snapshot is being merged")) refuse(ended);
}
