/**
 * `npm run kill`: a served volume is killed under load, many times (`npm run kill -- --help`). Each life is a volume of its own, from a seed
 * that is printed, and is killed 10 times.
 */
import { count, driver, freshSeed, refuseNothing } from "../support/driver.ts";
import { missingForOracle } from "../support/dm-oracle.ts";
import { type LifeFigures, liveUnderKills } from "./life.ts";

const LIFE_ROUNDS = 10;

const values = driver("kill", "Kills a served volume under load, many times, and judges what is left each time")
  .option("--rounds <N>", "kills in all", count(1), 200)
  .option("--seed <N>", "the first life's; by default drawn from the clock", count(0))
  .option(
    "--kernel <P>",
    "percent of the rounds in which the real kernel reads the stores, where it can be run",
    count(0),
    3,
  )
  .option("--verbose", "each round's settings and schedule")
  .parse()
  .opts<{ rounds: number; seed?: number; kernel: number; verbose?: boolean }>();
const kernelPercent = missingForOracle().length === 0 ? values.kernel : 0;
if (kernelPercent === 0) console.log("kill: no store is decoded by the real kernel");
const start = performance.now();
const total: LifeFigures = { kills: 0, late: 0, writes: 0, offline: 0, kernel: 0, presented: 0, actions: {} };
let seed = values.seed ?? freshSeed();

for (let left = values.rounds; left > 0; left -= LIFE_ROUNDS, seed++) {
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
refuseNothing("kill", total.kills + total.late);

function add(life: LifeFigures): void {
  for (const name of ["kills", "late", "writes", "offline", "kernel", "presented"] as const) total[name] += life[name];
  for (const [name, count] of Object.entries(life.actions)) total.actions[name] = (total.actions[name] ?? 0) + count;
}
