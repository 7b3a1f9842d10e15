/**
 * `npm run kill`: a served volume is killed under load, many times.
 *
 *   --rounds N   (200) kills in all
 *   --seed N     the first life's; each life is a volume of its own, killed 10 times. Printed, and by default drawn from the clock
 *   --kernel P   (3) percent of the rounds in which the real kernel reads the stores, where it can be run
 *   --verbose    each round's settings and schedule
 */
import { parseArgs } from "node:util";
import { missingForOracle } from "../support/dm-oracle.ts";
import { type LifeFigures, liveUnderKills } from "./life.ts";

const LIFE_ROUNDS = 10;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seed: { type: "string" },
    kernel: { type: "string", default: "3" },
    verbose: { type: "boolean", default: false },
  },
});
const kernelPercent = missingForOracle().length === 0 ? Number(values.kernel) : 0;
if (kernelPercent === 0) console.log("kill: no store is decoded by the real kernel");
const start = performance.now();
const total: LifeFigures = { kills: 0, late: 0, writes: 0, offline: 0, kernel: 0, presented: 0, actions: {} };
let seed = Number(values.seed ?? Date.now() % 1_000_000);

for (let left = Number(values.rounds); left > 0; left -= LIFE_ROUNDS, seed++) {
  const rounds = Math.min(left, LIFE_ROUNDS);
  const lines: string[] = [];
  const say = (line: string): void => (values.verbose ? console.log(line) : void lines.push(line));
  try {
    add(await liveUnderKills({ seed, rounds, kernelPercent, say }));
  } catch (error) {
    console.log([...lines, (error as Error).stack].join("\n"));
    console.log(`npm run kill -- --rounds ${rounds} --seed ${seed}`);
    process.exit(1);
  }
  const seconds = Math.round((performance.now() - start) / 1000);
  console.log(`seed ${seed}: right; in all after ${seconds} s: ${JSON.stringify(total)}`);
}

function add(life: LifeFigures): void {
  for (const name of ["kills", "late", "writes", "offline", "kernel", "presented"] as const) total[name] += life[name];
  for (const [name, count] of Object.entries(life.actions)) total.actions[name] = (total.actions[name] ?? 0) + count;
}
