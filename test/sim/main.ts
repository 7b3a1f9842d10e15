/**
 * `npm run sim`: lives of fresh seeds for a number of minutes, or one seed again with its trace.
 *
 *   --minutes M        (1) fresh seeds, with and without S-57/S-54/S-55 by turns; a failing one is shrunk and printed as a line
 *   --seed N           one life; prints everything that happens in it
 *   --plain            without S-57, S-54 and S-55
 *   --steps K          length of a life
 *   --without a,b      what shall not happen (swarm.ts)
 *   --from N           the first of the fresh seeds
 */
import { parseArgs } from "node:util";
import { LIFE_STEPS, replayLine, shrink, tryLife, type LifeKind } from "./seeds.ts";
import { live } from "./simulation.ts";
import { SWITCHES, type Switch } from "./swarm.ts";

const PROGRESS_MS = 5000;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string" },
    plain: { type: "boolean", default: false },
    steps: { type: "string", default: String(LIFE_STEPS) },
    without: { type: "string", default: "" },
    from: { type: "string" },
  },
});

const steps = Number(values.steps);
const without = values.without.split(",").filter((name) => name !== "") as Switch[];
const unknown = without.filter((name) => !SWITCHES.includes(name));
if (unknown.length > 0) throw new Error(`nothing is called ${unknown.join(", ")}; there is ${SWITCHES.join(", ")}`);
if (values.seed !== undefined) replay({ seed: Number(values.seed), plain: values.plain, steps, without });
else search(Number(values.minutes), Number(values.from ?? Date.now() % 1_000_000_000));

function replay({ seed, plain, steps: length }: LifeKind): void {
  try {
    live({ seed, plain, steps: length, without: new Set(without), trace: (line) => console.log(line) });
    console.log(`seed ${seed}: right`);
  } catch (error) {
    console.log((error as Error).stack);
    process.exitCode = 1;
  }
}

function search(minutes: number, from: number): void {
  const start = performance.now();
  let shown = start;
  let lives = 0;
  let failures = 0;
  for (let seed = from; performance.now() < start + minutes * 60_000; seed++) {
    for (const plain of [false, true]) {
      const failure = tryLife({ seed, plain, steps, without });
      lives += 1;
      if (failure === undefined) continue;
      failures += 1;
      console.log(`seed ${seed}: ${failure.message}\n  ${replayLine(failure)}`);
      const small = shrink(failure);
      console.log(`  shrunk: ${small.message}\n  ${replayLine(small)}`);
    }
    if (performance.now() < shown + PROGRESS_MS) continue;
    shown = performance.now();
    report(lives, shown - start, failures);
  }
  report(lives, performance.now() - start, failures);
  process.exitCode = failures === 0 ? 0 : 1;
}

function report(lives: number, milliseconds: number, failures: number): void {
  const perSecond = Math.round((lives * steps * 1000) / milliseconds);
  console.log(`${lives} lives, ${lives * steps} steps, ${perSecond} steps per second, ${failures} failures`);
}
