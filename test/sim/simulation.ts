/**
 * A random life of a volume, from one seed: clients, creations, drops, merges, full and growing devices, failing and slow disks,
 * power cuts; every answer checked against a plain model (register-model.ts).
 *
 * What is checked: no read is wrong; an origin request never fails because of a snapshot (E-15); a snapshot fails only for a
 * reason; every request and order is answered; after a power cut S-80…S-84. The same seed always lives the same life.
 */
import { SeededRandom } from "../support/core/seeded-random.ts";
import { CoreVolume } from "./core-volume.ts";
import { Life } from "./life.ts";
import { cutPower } from "./power-cut.ts";
import { withSimulatedClock } from "./sim-clock.ts";
import { drawSwarm, THREADS_ONLY, type Switch } from "./swarm.ts";
import { ThreadsVolume } from "./threads/threads-volume.ts";
import { liveTogether } from "./together.ts";
import { World, type CutImages, type VolumeMaker } from "./world.ts";

/**
 * A: the core alone, on a fake shell. B: with rings, tables, dispatch and the loops of the workers; of one volume, or of three on one set of
 * workers (together.ts).
 */
export type Depth = "core" | "threads" | "volumes";

const MAKERS: Readonly<Record<Exclude<Depth, "volumes">, VolumeMaker>> = {
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

/** Live it; throws what is wrong. Returns what happened how often. */
export function live(options: LifeOptions): Readonly<Record<string, number>> {
  return withSimulatedClock(() => liveFrom(options));
}

function liveFrom(options: LifeOptions): Readonly<Record<string, number>> {
  const random = new SeededRandom(Math.imul(options.seed + 1, SPREAD));
  const { depth = "core", plain, steps, trace, found } = options;
  const having = options.having ?? new Set();
  const without = new Set([...(options.without ?? []), ...(depth === "core" ? THREADS_ONLY : [])]);
  const bias = { without, having };
  if (depth === "volumes") return liveTogether({ random, plain, steps, bias, trace, found });
  const world = new World(random, drawSwarm(random, plain, bias), MAKERS[depth], trace);
  world.found = found;
  const life = new Life(world);
  life.begin();
  for (let i = 0; i < steps; i++) {
    world.clock += 1;
    life.happen();
    world.volume.step();
    world.collect();
  }
  world.drain();
  world.readEverything();
  if (world.swarm.on.has("crashes")) cutPower(world);
  world.readEverything();
  world.volume.end();
  return world.seen;
}
