/**
 * A random life of a volume, from one seed: clients, creations, drops, merges, full and growing devices, failing and slow disks,
 * power cuts; every answer checked against a plain model (register-model.ts).
 *
 * What is checked: no read is wrong; an origin request never fails because of a snapshot (E-15); a snapshot fails only for a
 * reason; every request and order is answered; after a power cut S-80…S-84. The same seed always lives the same life.
 */
import { SeededRandom } from "../support/core/seeded-random.ts";
import { breakSometimes, createSnapshot, dropSnapshot, growCow, openPrefilled, startOrStopMerge } from "./orders.ts";
import { cutPower, glanceAtCut, killProcess } from "./power-cut.ts";
import { CoreVolume } from "./core-volume.ts";
import { brim, chase, requests } from "./requests.ts";
import { besiege } from "./siege.ts";
import { drawSwarm, THREADS_ONLY, type Switch } from "./swarm.ts";
import { ThreadsVolume } from "./threads/threads-volume.ts";
import { World, type CutImages, type VolumeMaker } from "./world.ts";

/** A: the core alone, on a fake shell. B: with rings, tables, dispatch and the loops of the workers. */
export type Depth = "core" | "threads";

const MAKERS: Readonly<Record<Depth, VolumeMaker>> = {
  core: (origin, options) => new CoreVolume(origin, options),
  threads: (origin, options, swarm) => new ThreadsVolume(origin, options, swarm),
};

export interface LifeOptions {
  readonly depth?: Depth | undefined;
  readonly seed: number;
  readonly steps: number;
  /** Without S-57, S-54 and S-55: the kernel's commit rule. */
  readonly plain: boolean;
  /** What shall not happen. */
  readonly without?: ReadonlySet<Switch> | undefined;
  /** What shall be possible in any case. */
  readonly having?: ReadonlySet<Switch> | undefined;
  readonly trace?: ((line: string) => void) | undefined;
  /** Gets what every cut has left. */
  readonly found?: ((images: CutImages) => void) | undefined;
}

/** Neighbouring seeds are to have nothing in common. */
const SPREAD = 0x9e3779b1;
/** A slow disk is slow for so many steps at most. */
const SLOW_STEPS = 60;

/** Live it; throws what is wrong. Returns what happened how often. */
export function live(options: LifeOptions): Readonly<Record<string, number>> {
  const random = new SeededRandom(Math.imul(options.seed + 1, SPREAD));
  const depth = options.depth ?? "core";
  const swarm = drawSwarm(random, options.plain, {
    without: new Set([...(options.without ?? []), ...(depth === "core" ? THREADS_ONLY : [])]),
    having: options.having ?? new Set(),
  });
  const world = new World(random, swarm, MAKERS[depth], options.trace);
  world.found = options.found;
  world.note(`${options.plain ? "plain, " : ""}with ${[...swarm.on].join(" ")}`);
  if (swarm.on.has("prefilledStores")) openPrefilled(world);
  breakSometimes(world, world.volume.origin, "originFaults");
  let slowUntil = 0;
  for (let i = 0; i < options.steps; i++) {
    world.clock += 1;
    happen(world);
    const { volume } = world;
    if (swarm.on.has("slowDisks") && volume.stalled < 0 && world.perMille(swarm.weights.slow)) {
      volume.stalled = random.pick([0, ...volume.indices.map((index) => 1 + index)]);
      slowUntil = i + random.below(SLOW_STEPS);
    } else if (i >= slowUntil) volume.stalled = -1;
    volume.step();
    world.collect();
  }
  world.drain();
  world.readEverything();
  if (swarm.on.has("crashes")) cutPower(world);
  world.readEverything();
  world.volume.end();
  return world.seen;
}

/** What comes from outside at a step. */
function happen(world: World): void {
  const { on, weights } = world.swarm;
  if (world.perMille(weights.request)) requests(world);
  if (on.has("chases") && world.perMille(weights.chase)) chase(world);
  if (on.has("brims") && world.perMille(weights.brim)) brim(world);
  if (on.has("sieges") && world.perMille(weights.siege)) besiege(world);
  if (world.perMille(weights.create)) createSnapshot(world);
  if (on.has("drops") && world.perMille(weights.drop)) dropSnapshot(world);
  if (on.has("growth") && world.perMille(weights.grow)) growCow(world);
  if (on.has("merges") && world.perMille(weights.merge)) startOrStopMerge(world);
  if (on.has("timers") && world.perMille(weights.timer)) world.volume.fireTimer();
  if (on.has("pacedMerges") && world.perMille(weights.pace)) world.volume.mergeContinue();
  if (on.has("kills") && world.perMille(weights.kill)) killProcess(world);
  if (!on.has("crashes")) return;
  if (world.perMille(weights.crash)) cutPower(world);
  else if (world.perMille(world.promised ? 10 * weights.glance : weights.glance)) glanceAtCut(world);
}
