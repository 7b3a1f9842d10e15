/**
 * Short lives of the simulator, always the same ones: what finds the mutants that the unit tests leave. Run by `npm run mutants` only;
 * `npm test` lives longer ones (test/sim).
 */
import { it } from "vitest";
import { live, type Depth } from "../sim/simulation.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const STEPS: Readonly<Record<Depth, number>> = { core: 400, threads: 250, volumes: 400 };
const depths = (process.env["SNAPRING_MUTANTS_DEPTHS"] ?? "").split(";") as Depth[];

for (const depth of depths) {
  it.each(SEEDS)(`${depth}, life %i`, (seed) => {
    for (const plain of [false, true]) live({ depth, seed, plain, steps: STEPS[depth] });
  });
}
