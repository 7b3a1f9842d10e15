/**
 * `npm run sim`: lives of fresh seeds for a number of minutes, or one seed again with its trace (`npm run sim -- --help`).
 *
 * Each seed lives with and without S-57/S-54/S-55 and in each depth, by turns; one that fails is shrunk and printed as a line.
 */
import { Option } from "commander";
import { count, driver, freshSeed, minutes, namesOf, refuseNothing } from "../support/driver.ts";
import { missingForOracle } from "../support/dm-oracle.ts";
import { askKernel, GIVES_IMAGES, imageOf } from "./kernel.ts";
import { explained, replayLine, shrink, STEPS, tryLife, type LifeKind } from "./seeds.ts";
import { live, type Depth } from "./simulation.ts";
import { SWITCHES, type Switch } from "./swarm.ts";
import { searchTable } from "./table-lives.ts";

const PROGRESS_MS = 5000;

interface SimOptions {
  readonly minutes: number;
  readonly seed?: number;
  readonly from?: number;
  readonly depth?: Depth | "table";
  readonly plain?: boolean;
  readonly steps?: number;
  readonly without?: readonly Switch[];
  readonly having?: readonly Switch[];
  readonly kernel?: number;
}

const command = driver("sim", "Lives whole lives of a volume on simulated disks, each from one number")
  .option("--minutes <M>", "fresh seeds for so long", minutes, 1)
  .option("--seed <N>", "one life again; prints everything that happens in it", count(0))
  .addOption(
    new Option(
      "--depth <DEPTH>",
      "the core alone, with rings and worker loops, three volumes on one set of these, or the exception table alone; all but the last by turns if it is not given",
    ).choices(["core", "threads", "volumes", "table"]),
  )
  .option("--plain", "without S-57, S-54 and S-55")
  .option("--steps <K>", "length of a life", count(1))
  .option("--without <NAMES>", "what shall not happen, separated by commas", namesOf(SWITCHES))
  .option("--having <NAMES>", "what may happen in any case, whatever the seed draws", namesOf(SWITCHES))
  .option("--from <N>", "the first of the fresh seeds", count(0))
  .option("--kernel <N>", "N lives, each with one of its power cuts loaded by the real kernel", count(1))
  .parse();
const values = command.opts<SimOptions>();
const { without = [], having = [] } = values;
const depths: readonly Depth[] =
  values.depth === undefined || values.depth === "table" ? ["core", "threads", "volumes"] : [values.depth];
const from = values.from ?? freshSeed();

if (values.depth === "table") await searchTables();
else if (values.seed !== undefined)
  replay({ depth: depths[0]!, seed: values.seed, plain: values.plain ?? false, steps: stepsOf(depths[0]!) });
else if (values.kernel !== undefined) await compareWithKernel(values.kernel, from);
else search(values.minutes, from);

async function searchTables(): Promise<void> {
  const { seed, steps } = values;
  const right = await searchTable({
    ...{ minutes: values.minutes, from },
    ...(seed === undefined ? {} : { seed }),
    ...(steps === undefined ? {} : { steps }),
  });
  process.exitCode = right ? 0 : 1;
}

function stepsOf(depth: Depth): number {
  return values.steps ?? STEPS[depth];
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
  // One at least, however short the time.
  for (let seed = from; seed === from || performance.now() < start + minutes * 60_000; seed++) {
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
  refuseNothing("sim", lives);
}

async function compareWithKernel(count: number, from: number): Promise<void> {
  const missing = missingForOracle();
  if (missing.length > 0) command.error(`the kernel cannot be run: ${missing.join(", ")} not found`);
  let images = 0;
  let failures = 0;
  for (let seed = from; images < count; seed++) {
    for (const any of kindsOf(seed)) {
      const kind = { ...any, having: [...having, ...GIVES_IMAGES] };
      const image = images < count ? imageOf(kind) : undefined;
      if (image === undefined) continue;
      images += 1;
      const [difference] = await askKernel([image]);
      console.log(`${images} of ${count} images: seed ${seed}${difference === undefined ? "" : ", FAILED"}`);
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
