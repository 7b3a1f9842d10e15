/**
 * Runs of many lives: what the suite, `npm run sim` and the mutants have in common.
 */
import { live, type Depth } from "./simulation.ts";
import { SWITCHES, type Switch } from "./swarm.ts";

/** Steps of a life, unless something else is asked for; a failing seed is replayed with the same number. */
export const STEPS: Readonly<Record<Depth, number>> = { core: 1000, threads: 2000, volumes: 2000 };

export interface LifeKind {
  readonly depth: Depth;
  readonly seed: number;
  readonly plain: boolean;
  readonly steps: number;
  readonly without?: readonly Switch[] | undefined;
  /** What is possible in any case. */
  readonly having?: readonly Switch[] | undefined;
}

/** A life that fails, as small as it is known. */
export interface Failure extends LifeKind {
  readonly without: readonly Switch[];
  readonly message: string;
}

/** Undefined: the life was right. `seen` gets what happened. */
export function tryLife(kind: LifeKind, seen: Record<string, number> = {}): Failure | undefined {
  const { depth, seed, plain, steps, without = [], having = [] } = kind;
  try {
    const counts = live({ depth, seed, plain, steps, without: new Set(without), having: new Set(having) });
    for (const [what, count] of Object.entries(counts)) seen[what] = (seen[what] ?? 0) + count;
    return undefined;
  } catch (error) {
    return { depth, seed, plain, steps, without, having, message: (error as Error).message };
  }
}

/** The line that runs it again. */
export function replayLine({ depth, seed, plain, steps, without, having }: LifeKind): string {
  const options = [`--depth ${depth} --seed ${seed}`, ...(plain ? ["--plain"] : []), `--steps ${steps}`];
  if (without !== undefined && without.length > 0) options.push(`--without ${without.join(",")}`);
  if (having !== undefined && having.length > 0) options.push(`--having ${having.join(",")}`);
  return `npm run sim -- ${options.join(" ")}`;
}

/** Fewer things that happen, then fewer steps, while it still fails in some way. */
export function shrink(failure: Failure, live: (kind: LifeKind) => Failure | undefined = tryLife): Failure {
  let smallest = failure;
  for (const name of SWITCHES) {
    if (smallest.without.includes(name)) continue;
    smallest = live({ ...smallest, without: [...smallest.without, name] }) ?? smallest;
  }
  // A life of fewer steps is another one only in its end, so halving finds a short one, not always the shortest.
  for (let low = 0; smallest.steps - low > 1; ) {
    const steps = Math.floor((low + smallest.steps) / 2);
    const shorter = live({ ...smallest, steps });
    if (shorter === undefined) low = steps;
    else smallest = shorter;
  }
  return smallest;
}

/** What is wrong, and the line that runs it again. */
export function explained(failure: Failure): string {
  return `${failure.message}\n  ${replayLine(failure)}`;
}

/** For a test: throws a line that replays the first life that fails, and says what happened in all. */
export function liveMany(
  depth: Depth,
  firstSeed: number,
  count: number,
  plain: boolean,
  having: readonly Switch[] = [],
): Readonly<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const failure = tryLife({ depth, seed, plain, steps: STEPS[depth], having }, seen);
    if (failure !== undefined) throw new Error(`${explained(failure)}\nshrunk: ${explained(shrink(failure))}`);
  }
  return seen;
}
