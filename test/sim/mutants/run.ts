/**
 * Plants one mutant after the other and lives the suite's lives until one fails; prints a line of JSON for each.
 *
 *   node --import ./test/sim/typescript.mjs test/sim/mutants/run.ts [part of a name]
 *
 * A process of its own, because the mutants are planted by module hooks. The life that fails is then lived without the mutant.
 */
import { STEPS } from "../seeds.ts";
import { live, type Depth } from "../simulation.ts";
import { MUTANTS } from "./all.ts";
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

async function judge(mutant: Mutant, depth: Depth): Promise<Verdict> {
  const length = STEPS[depth];
  const patch = Buffer.from(JSON.stringify(mutant.edits)).toString("base64url");
  const start = performance.now();
  const having = new Set(mutant.having);
  const simulation = (await import(`../simulation.ts?mutant=${patch}`)) as { readonly live: typeof live };
  for (let steps = 0, seed = 1; steps < STEPS_MAX && performance.now() < start + MILLISECONDS_MAX; seed++) {
    for (const plain of [false, true]) {
      steps += length;
      const message = failureOf(() => simulation.live({ depth, seed, plain, steps: length, having }));
      if (message === undefined) continue;
      const milliseconds = Math.round(performance.now() - start);
      const innocent = failureOf(() => live({ depth, seed, plain, steps: length, having })) === undefined;
      return { name: mutant.name, seed, plain, steps, milliseconds, message, innocent };
    }
  }
  const milliseconds = Math.round(performance.now() - start);
  return { name: mutant.name, seed: -1, plain: false, steps: STEPS_MAX, milliseconds, message: "", innocent: true };
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

const only = process.argv[2] ?? "";
for (const depth of (process.argv[3] === undefined ? ["core", "threads"] : [process.argv[3]]) as Depth[]) {
  for (const mutant of MUTANTS[depth]) {
    if (mutant.name.includes(only)) console.log(JSON.stringify(await judge(mutant, depth)));
  }
}
