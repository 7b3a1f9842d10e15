/**
 * Plants one mutant after the other and lives the suite's lives until one fails; prints a line of JSON for each.
 *
 *   node --import ./test/sim/typescript.mjs test/sim/mutants/run.ts [part of a name]
 *
 * A life of the table (table-life.ts) counts lookups and changes as its steps.
 *
 * The first life is the one of first-seeds.ts. The life that fails is then lived without the mutant. A process of its own, because the
 * mutants are planted by module hooks.
 */
import { STEPS } from "../seeds.ts";
import type { live } from "../simulation.ts";
import { AS_IT_IS, loadTableLife, TABLE_LIVES, TABLE_STEPS } from "../table-lives.ts";
import { MUTANTS, type Level } from "./all.ts";
import { FIRST_SEEDS } from "./first-seeds.ts";
import type { Mutant } from "./mutant.ts";

export const STEPS_MAX = 200_000;
export const MILLISECONDS_MAX = 60_000;

export interface Verdict {
  readonly name: string;
  /** -1: no life has failed. */
  readonly seed: number;
  readonly plain: boolean;
  readonly steps: number;
  readonly milliseconds: number;
  /** How it was found; the kind of error comes first. */
  readonly message: string;
  /** The same life without the mutant is right. */
  readonly innocent: boolean;
}

interface Life {
  readonly seed: number;
  readonly plain: boolean;
}

/** How one life is lived, with the mutant or without. */
type Living = (life: Life) => unknown;

async function livingOf(mutant: Mutant | undefined, level: Level): Promise<Living> {
  if (level === "table") {
    const liveTable = await loadTableLife(mutant?.edits);
    return ({ seed }) => liveTable({ seed, steps: TABLE_STEPS });
  }
  const patch = Buffer.from(JSON.stringify(mutant?.edits ?? [])).toString("base64url");
  const simulation = (await import(`../simulation.ts?mutant=${patch}`)) as { readonly live: typeof live };
  const having = new Set(mutant?.having);
  return ({ seed, plain }) => simulation.live({ depth: level, seed, plain, steps: STEPS[level], having });
}

async function judge(mutant: Mutant, level: Level): Promise<Verdict> {
  const length = level === "table" ? TABLE_STEPS : STEPS[level];
  const start = cpuMilliseconds();
  const mutated = await livingOf(mutant, level);
  const innocent = await livingOf({ ...mutant, edits: [] }, level);
  let seed = FIRST_SEEDS[mutant.name] ?? 1;
  for (let steps = 0; steps < STEPS_MAX && cpuMilliseconds() < start + MILLISECONDS_MAX; seed++) {
    // The table knows nothing of commit rules.
    for (const plain of level === "table" ? [false] : [false, true]) {
      steps += length;
      const message = failureOf(() => mutated({ seed, plain }));
      if (message === undefined) continue;
      const milliseconds = Math.round(cpuMilliseconds() - start);
      const isInnocent = failureOf(() => innocent({ seed, plain })) === undefined;
      return { name: mutant.name, seed, plain, steps, milliseconds, message, innocent: isInnocent };
    }
  }
  const milliseconds = Math.round(cpuMilliseconds() - start);
  return { name: mutant.name, seed: -1, plain: false, steps: STEPS_MAX, milliseconds, message: "", innocent: true };
}

/** Of this process: a machine that is busy with something else does not shorten the search. */
function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function failureOf(life: () => unknown): string | undefined {
  try {
    life();
    return undefined;
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message}`;
  }
}

/** The table as it is: lives that are right, or the first that is not. */
async function liveTables(count: number): Promise<Verdict> {
  const life = await livingOf(undefined, "table");
  const start = cpuMilliseconds();
  const verdict = { name: AS_IT_IS, plain: false, steps: count * TABLE_STEPS, innocent: true };
  for (let seed = 1; seed <= count; seed++) {
    const message = failureOf(() => life({ seed, plain: false }));
    if (message !== undefined) return { ...verdict, seed, milliseconds: 0, message };
  }
  return { ...verdict, seed: -1, milliseconds: Math.round(cpuMilliseconds() - start), message: "" };
}

const only = process.argv[2] ?? "";
const levels = (process.argv[3] === undefined ? ["core", "threads", "volumes", "table"] : [process.argv[3]]) as Level[];
for (const level of levels) {
  if (level === "table" && only === "") console.log(JSON.stringify(await liveTables(TABLE_LIVES)));
  for (const mutant of MUTANTS[level]) {
    if (mutant.name.includes(only)) console.log(JSON.stringify(await judge(mutant, level)));
  }
}
