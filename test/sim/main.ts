/**
 * `npm run sim`: lives of fresh seeds for a number of minutes, or one seed again with its trace.
 *
 *   --minutes M        (1) fresh seeds, with and without S-57/S-54/S-55 by turns; a failing one is shrunk and printed as a line
 *   --seed N           one life; prints everything that happens in it
 *   --depth core|threads   the core alone, or with rings and worker loops; by turns if it is not given
 *   --depth table      the exception table alone, interleaved at every load and store (table-life.ts)
 *   --plain            without S-57, S-54 and S-55
 *   --steps K          length of a life
 *   --without a,b      what shall not happen (swarm.ts)
 *   --having a,b       what may happen in any case, whatever the seed draws
 *   --from N           the first of the fresh seeds
 *   --kernel N         N lives, each with one of its power cuts loaded by the real kernel (kernel.ts)
 */
import { parseArgs } from "node:util";
import { askKernel, GIVES_IMAGES, imageOf } from "./kernel.ts";
import { explained, replayLine, shrink, STEPS, tryLife, type LifeKind } from "./seeds.ts";
import { live, type Depth } from "./simulation.ts";
import { SWITCHES, type Switch } from "./swarm.ts";
import { searchTable } from "./table-lives.ts";

const PROGRESS_MS = 5000;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string" },
    plain: { type: "boolean", default: false },
    depth: { type: "string" },
    steps: { type: "string" },
    without: { type: "string", default: "" },
    having: { type: "string", default: "" },
    from: { type: "string" },
    kernel: { type: "string" },
  },
});

const depths = (values.depth === undefined ? ["core", "threads"] : [values.depth]) as Depth[];
const without = namesIn(values.without);
const having = namesIn(values.having);
const unknown = [...without, ...having].filter((name) => !SWITCHES.includes(name));
if (unknown.length > 0) throw new Error(`nothing is called ${unknown.join(", ")}; there is ${SWITCHES.join(", ")}`);
const from = Number(values.from ?? Date.now() % 1_000_000_000);
const minutes = Number(values.minutes);
if (values.depth === "table") {
  const { seed, steps } = values;
  const right = await searchTable({
    ...{ minutes, from },
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(steps === undefined ? {} : { steps: Number(steps) }),
  });
  process.exitCode = right ? 0 : 1;
} else if (depths.some((depth) => !(depth in STEPS))) throw new Error(`there is no depth ${values.depth}`);
else if (values.seed !== undefined)
  replay({ depth: depths[0]!, seed: Number(values.seed), plain: values.plain, steps: stepsOf(depths[0]!) });
else if (values.kernel !== undefined) await compareWithKernel(Number(values.kernel), from);
else search(minutes, from);

function namesIn(list: string): Switch[] {
  return list.split(",").filter((name) => name !== "") as Switch[];
}

function stepsOf(depth: Depth): number {
  return Number(values.steps ?? STEPS[depth]);
}

function replay({ depth, seed, plain, steps }: LifeKind): void {
  try {
    live({
      depth,
      seed,
      plain,
      steps,
      without: new Set(without),
      having: new Set(having),
      trace: (line) => console.log(line),
    });
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
  let steps = 0;
  let failures = 0;
  for (let seed = from; performance.now() < start + minutes * 60_000; seed++) {
    for (const kind of kindsOf(seed)) {
      const failure = tryLife(kind);
      lives += 1;
      steps += kind.steps;
      if (failure === undefined) continue;
      failures += 1;
      console.log(`seed ${seed}: ${explained(failure)}`);
      console.log(`  shrunk: ${explained(shrink(failure))}`);
    }
    if (performance.now() < shown + PROGRESS_MS) continue;
    shown = performance.now();
    report(lives, steps, shown - start, failures);
  }
  report(lives, steps, performance.now() - start, failures);
  process.exitCode = failures === 0 ? 0 : 1;
}

async function compareWithKernel(count: number, from: number): Promise<void> {
  let images = 0;
  let failures = 0;
  for (let seed = from; images < count; seed++) {
    for (const any of kindsOf(seed)) {
      const kind = { ...any, having: [...having, ...GIVES_IMAGES] };
      const image = images < count ? imageOf(kind) : undefined;
      if (image === undefined) continue;
      images += 1;
      const difference = await askKernel(image);
      if (difference === undefined) continue;
      failures += 1;
      console.log(`seed ${seed}: ${difference}\n  ${replayLine(kind)}`);
    }
  }
  console.log(`${images} images loaded by the kernel, ${failures} failures`);
  process.exitCode = failures === 0 ? 0 : 1;
}

function kindsOf(seed: number): readonly LifeKind[] {
  const plains = values.plain ? [true] : [false, true];
  return depths.flatMap((depth) =>
    plains.map((plain) => ({ depth, seed, plain, steps: stepsOf(depth), without, having })),
  );
}

function report(lives: number, steps: number, milliseconds: number, failures: number): void {
  const perSecond = Math.round((steps * 1000) / milliseconds);
  console.log(`${lives} lives, ${steps} steps, ${perSecond} steps per second, ${failures} failures`);
}
