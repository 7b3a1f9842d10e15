/**
 * A life of three volumes on one set of workers: each lives as it does alone, by a seed of its own, with its own disks, clients, snapshots and models;
 * and beside what happens in them, volumes go and come again.
 *
 *   seed ─▶ engine: whose turn it is           a ─▶ Life, World, plain models
 *       └─▶ whose life goes on, who ends       b ─▶ …      c ─▶ …
 *
 *   serves ─ closed by its owner ─▶ settles ─▶ closes ─┐
 *     ▲  └─ its origin is gone ─▶ settles ─▶ closes ───┼─▶ gone: its name is not offered, its numbers are others' ─▶ opened again
 *     │  └─ its core fails ───────▶ fails ─────────────┘                                                               │
 *     └────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *   a power cut, or the process is killed: all three, wherever each of them is
 *   a group: snapshots of one moment of all three (group-life.ts)
 *
 * Whatever happens to one, the others' requests are answered, right, and fail for no reason of its. Of a volume that was closed in good order a later cut
 * takes nothing (E-42). At the end all are closed, and the engine has no volume and no device left.
 */
import { errno } from "../../src/base/errno.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { GroupLife, MOMENTS } from "./group-life.ts";
import { Life } from "./life.ts";
import { cutPower, die, judgeDisks, openAgain } from "./power-cut.ts";
import { requests } from "./requests.ts";
import { type Bias, drawSwarm, type Swarm, type Switch } from "./swarm.ts";
import { SimEngine } from "./threads/sim-engine.ts";
import { exportWorkersMost, ThreadsVolume } from "./threads/threads-volume.ts";
import { type CutImages, type Machine, World } from "./world.ts";

const NAMES = ["a", "b", "c"] as const;
/** A death concerns them all, so that the disks of all are made for it; what it leaves of a group, the registers of all say. */
const COMMON: readonly Switch[] = ["crashes", "kills", "registry"];
/** Of a hundred groups, so many are to see one. */
const DEADLY_PERCENT = 70;
/** Requests that the others make while one of them waits for something. */
const REQUESTS_BESIDE = 20;
/** Steps for which one waits beside a disk of another that does not answer. */
const SLOW_BESIDE = 300;
/** Of a thousand steps in which a volume closes, after so many its clients have no more time. */
const IMPATIENT = 20;
const KNOCK = 100;

export interface TogetherOptions {
  readonly random: SeededRandom;
  readonly plain: boolean;
  readonly steps: number;
  readonly bias: Bias;
  readonly trace: ((line: string) => void) | undefined;
  readonly found: ((images: CutImages) => void) | undefined;
}

export function liveTogether(options: TogetherOptions): Readonly<Record<string, number>> {
  return new Together(options).live(options.steps);
}

/** "absent": it has not been opened on this engine. */
type State = "serves" | "settles" | "closes" | "fails" | "gone" | "absent";

interface Tenant {
  readonly name: string;
  readonly world: World;
  readonly life: Life;
  state: State;
  /** Requests that it may still make while another one waits. */
  beside: number;
}

class Together implements Machine {
  readonly #random: SeededRandom;
  /** For what was added to these lives later on. */
  readonly #side: SeededRandom;
  readonly #tenants: readonly Tenant[];
  readonly #most: number;
  readonly #slowPercent: number;
  readonly #weights: Readonly<Record<"close" | "fail" | "lose" | "open" | "group" | "cancel", number>>;
  readonly #seen: Record<string, number> = {};
  #engine: SimEngine;
  /** Whose life it is that goes on. */
  #current: Tenant | undefined;
  /** Steps in which it has waited. */
  #waited = 0;
  #group: GroupLife | undefined;
  /** The process was killed, or the power failed, amid it. */
  #dead: { readonly group: GroupLife; readonly death: "cut" | "kill" } | undefined;

  constructor({ random, plain, bias, trace, found }: TogetherOptions) {
    this.#random = random;
    this.#side = random.beside();
    const randoms = NAMES.map(() => new SeededRandom(random.below(2 ** 32)));
    const first = drawSwarm(randoms[0]!, plain, bias);
    const alike = asIn(first, bias);
    const swarms = randoms.map((one, i) => (i === 0 ? first : drawSwarm(one, plain, alike)));
    this.#weights = {
      close: random.pick([2, 6, 12]),
      fail: random.pick([0, 2, 4]),
      lose: random.pick([0, 1, 2]),
      open: random.pick([10, 40]),
      group: random.pick([10, 40]),
      cancel: random.pick([0, 2, 20]),
    };
    this.#most = exportWorkersMost(first);
    this.#slowPercent = Math.max(...swarms.map(({ options }) => options.slowClients ?? 0));
    this.#engine = this.#newEngine();
    this.#tenants = NAMES.map((name, i) => {
      const stepped = (): void => this.#stepped();
      const traced = trace === undefined ? undefined : (line: string): void => trace(`${name} ${line}`);
      const world = new World(
        randoms[i]!,
        swarms[i]!,
        (origin, options, swarm) => new ThreadsVolume(origin, options, swarm, { engine: this.#engine, name, stepped }),
        traced,
      );
      world.found = found;
      world.machine = this;
      return { name, world, life: new Life(world), state: "absent", beside: 0 };
    });
  }

  get worlds(): readonly World[] {
    return this.#tenants.map(({ world }) => world);
  }

  restart(death: "cut" | "kill"): void {
    this.#dead = this.#group === undefined ? undefined : { group: this.#group, death };
    this.#group = undefined;
    for (const tenant of this.#tenants) tenant.state = "absent";
    this.#engine = this.#newEngine();
  }

  serves(world: World): void {
    this.#tenants.find((tenant) => tenant.world === world)!.state = "serves";
  }

  live(steps: number): Readonly<Record<string, number>> {
    for (const tenant of this.#tenants) this.#let(tenant, () => this.#begin(tenant));
    for (let i = 0; i < steps; i++) {
      const tenant = this.#random.pick(this.#tenants);
      this.#let(tenant, () => this.#happen(tenant));
      this.#let(tenant, () => this.#groups());
      const { world } = tenant;
      if (!world.volume.step())
        for (const one of this.#tenants) if (one.state === "settles") one.world.volume.fireTimer();
      world.collect();
    }
    for (const tenant of this.#tenants) this.#let(tenant, () => this.#serveAgain(tenant));
    this.#judge();
    this.#let(this.#tenants[0]!, () => this.#groups());
    const [{ world }] = this.#tenants as readonly [Tenant, ...Tenant[]];
    if (world.swarm.on.has("crashes")) this.#let(this.#tenants[0]!, () => cutPower(world));
    this.#judge();
    for (const tenant of this.#tenants) this.#let(tenant, () => this.#closeAtLast(tenant));
    this.#mustBeEmpty();
    return this.#allSeen();
  }

  /** Everything comes to its end, and is as the models say. */
  #judge(): void {
    for (const tenant of this.#tenants) {
      this.#let(tenant, () => {
        tenant.world.drain();
        tenant.world.readEverything();
      });
    }
    this.#engine.checkQuiet();
  }

  /** Snapshots of one moment of all three are made, and given up, or whoever makes them dies amid it (E-50). */
  #groups(): void {
    const dead = this.#dead;
    this.#dead = undefined;
    dead?.group.judgeDeath(dead.death);
    if (this.#group?.isOver === true) {
      const over = this.#group;
      this.#group = undefined;
      over.judge();
    } else if (this.#group !== undefined) {
      if (this.#perMille(this.#weights.cancel)) this.#group.cancel();
      this.#group.advance();
    } else if (this.#tenants.every(({ state }) => state === "serves") && this.#perMille(this.#weights.group)) {
      this.#group = GroupLife.begin(this.worlds, (world) => volumeOf(this.#tenants.find((t) => t.world === world)!));
      if (this.#group !== undefined && this.#side.chance(DEADLY_PERCENT)) this.#dieAmid(this.#group);
    }
  }

  /** The group comes to some moment of its way, and there the process is killed, or the power fails; if this life has deaths at all. */
  #dieAmid(group: GroupLife): void {
    const { world } = this.#current!;
    const { on } = world.swarm;
    const moment = this.#side.pick(MOMENTS);
    if (!on.has("crashes") && !on.has("kills")) return;
    world.stepUntil(() => group.moment === moment || group.isOver);
    if (group.moment !== moment) return;
    world.note(`amid a group: ${moment}`);
    if (on.has("registry")) this.#count(`group dies: ${moment}`);
    die(world);
  }

  /** It is this one's life that goes on. */
  #let(tenant: Tenant, happen: () => void): void {
    this.#current = tenant;
    this.#waited = 0;
    for (const one of this.#tenants) one.beside = REQUESTS_BESIDE;
    happen();
  }

  /** The engine has made a step: who is beside takes its answers, and asks on. */
  #stepped(): void {
    this.#waited += 1;
    this.#group?.advance();
    if (this.#waited > SLOW_BESIDE) this.#engine.unstall();
    for (const tenant of this.#tenants) {
      const { world, state } = tenant;
      if (tenant === this.#current || state === "absent") continue;
      world.clock += 1;
      world.collect();
      if (state !== "serves" || tenant.beside === 0 || !world.perMille(world.swarm.weights.request)) continue;
      tenant.beside -= 1;
      requests(world);
    }
  }

  #begin(tenant: Tenant): void {
    tenant.life.begin();
    tenant.state = "serves";
  }

  #happen(tenant: Tenant): void {
    const { world, life } = tenant;
    world.clock += 1;
    switch (tenant.state) {
      case "serves":
        if (this.#perMille(this.#weights.close)) return this.#settle(tenant);
        if (this.#perMille(this.#weights.fail)) return this.#fail(tenant);
        if (this.#perMille(this.#weights.lose)) return this.#lose(tenant);
        return life.happen();
      case "settles":
        if (world.perMille(world.swarm.weights.request)) requests(world);
        if (this.#perMille(this.#weights.fail)) return this.#fail(tenant);
        if (world.ordered === 0) this.#close(tenant);
        return;
      case "closes":
      case "fails":
        return this.#end(tenant);
      case "gone":
        if (this.#perMille(KNOCK)) this.#knock(tenant);
        // Who had not been answered yet when he asked for it by its name is sent away later.
        if (this.#perMille(this.#weights.open) && world.underWay === 0) this.#open(tenant);
        return;
      case "absent":
        throw new Error("a life goes on without an engine");
    }
  }

  /** Its owner closes it: orders come to their ends first. */
  #settle(tenant: Tenant): void {
    tenant.world.note("is to be closed");
    tenant.world.volume.stalled = -1;
    tenant.state = "settles";
  }

  #close(tenant: Tenant): void {
    const { world } = tenant;
    world.note("is closed");
    this.#count("close");
    world.ending = "closed";
    volumeOf(tenant).close();
    tenant.state = "closes";
  }

  #fail(tenant: Tenant): void {
    const { world } = tenant;
    world.note("fails");
    this.#count("fail");
    world.collect();
    world.abandonOrders();
    world.ending = "failed";
    volumeOf(tenant).fail();
    tenant.state = "fails";
    this.#group?.lost(world);
  }

  /** Its origin is gone: nothing can be read or written there any more, and its owner closes it. */
  #lose(tenant: Tenant): void {
    tenant.world.note("its origin is gone");
    this.#count("origin gone");
    tenant.world.volume.origin.fault = () => errno.EIO;
    this.#settle(tenant);
  }

  #end(tenant: Tenant): void {
    const { world } = tenant;
    const volume = volumeOf(tenant);
    if (this.#perMille(IMPATIENT)) volume.cutClients();
    if (tenant.state === "closes" && this.#perMille(this.#weights.fail) && !volume.hasLeft) return this.#fail(tenant);
    if (!volume.hasLeft) return;
    world.collect();
    world.isClosedWell = volume.isClosedWell;
    world.note(`has left${world.isClosedWell ? ", and everything is durable" : ""}`);
    tenant.state = "gone";
  }

  #open(tenant: Tenant): void {
    tenant.world.note("is opened again");
    this.#count("opened again");
    this.#engine.expect(tenant.name);
    openAgain(tenant.world);
  }

  /** Who comes then finds it neither by its own name nor by a snapshot's. */
  #knock({ name, world }: Tenant): void {
    const [snapshot] = world.snapshots.keys();
    this.#engine.knock(name, snapshot === undefined || this.#random.chance(50) ? undefined : `s${snapshot}`);
    this.#count("knock");
  }

  /** Wherever it is, it comes to serve. */
  #serveAgain(tenant: Tenant): void {
    if (tenant.state === "serves") return;
    this.#leave(tenant);
    this.#open(tenant);
  }

  /** Whether it is closed or has failed already, or serves: it has left when this returns. */
  #leave(tenant: Tenant): void {
    const { world } = tenant;
    if (tenant.state === "serves") this.#settle(tenant);
    if (tenant.state === "settles") world.stepUntil(() => world.ordered === 0);
    if (tenant.state === "settles") this.#close(tenant);
    if (tenant.state !== "gone") {
      world.stepUntil(() => volumeOf(tenant).hasLeft);
      world.must(volumeOf(tenant).hasLeft ? undefined : "never leaves its engine", tenant.name);
      this.#end(tenant);
    }
    world.stepUntil(() => world.underWay === 0);
    world.must(world.underWay === 0 ? undefined : `${world.underWay} requests are never answered`, tenant.name);
  }

  /** … and what it has left is right, and durable if nothing failed. */
  #closeAtLast(tenant: Tenant): void {
    this.#leave(tenant);
    judgeDisks(tenant.world);
  }

  #mustBeEmpty(): void {
    const { volumes, devices } = this.#engine.used;
    if (volumes + devices > 0)
      throw new Error(`an engine without volumes has ${volumes} of them, and ${devices} devices`);
    this.#engine.checkQuiet();
  }

  #newEngine(): SimEngine {
    return new SimEngine(this.#random, this.#most, this.#slowPercent);
  }

  #perMille(weight: number): boolean {
    return this.#random.below(1000) < weight;
  }

  #count(what: string): void {
    this.#seen[what] = (this.#seen[what] ?? 0) + 1;
  }

  #allSeen(): Readonly<Record<string, number>> {
    const all = { ...this.#seen };
    for (const { seen } of this.worlds)
      for (const [what, count] of Object.entries(seen)) all[what] = (all[what] ?? 0) + count;
    return all;
  }
}

function volumeOf({ world: { volume } }: Tenant): ThreadsVolume {
  if (!(volume instanceof ThreadsVolume)) throw new Error("volumes that share an engine are of depth B");
  return volume;
}

/** What concerns all, as in this one. */
function asIn({ on }: Swarm, { having, without }: Bias): Bias {
  return {
    having: new Set([...having, ...COMMON.filter((name) => on.has(name))]),
    without: new Set([...without, ...COMMON.filter((name) => !on.has(name))]),
  };
}
