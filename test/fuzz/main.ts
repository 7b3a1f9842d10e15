/**
 * `npm run fuzz`: hostile clients against the built server, for a number of minutes or from one seed (`npm run fuzz -- --help`).
 *
 * What each connection does follows from the seed; how the threads and sockets interleave does not. A failure is printed with the line that
 * replays it.
 */
import { count, driver, freshSeed, minutes, refuseNothing } from "../support/driver.ts";
import { killServers } from "../support/server.ts";
import { attack, type Figures, LOOK_EVERY, noFigures, scriptsOf } from "./attack.ts";
import { Target } from "./target.ts";

const PROGRESS_MS = 10_000;
/** Attacks on one server before a new one is started: its close and its start are tested, too. */
const PER_SERVER = 400;
const MIB = 2 ** 20;

const values = driver("fuzz", "Attacks the built server with hostile clients, on one server after the other")
  .option("--minutes <M>", "attacks with fresh seeds for so long", minutes, 1)
  .option("--seed <N>", "this attack alone, on a new server", count(0))
  .option(
    "--count <K>",
    "with --seed: so many attacks, N, N+1 … on one server (a failure may need what came before)",
    count(1),
    1,
  )
  .option("--from <N>", "the first of the fresh seeds", count(0))
  .parse()
  .opts<{ minutes: number; seed?: number; count: number; from?: number }>();

const start = performance.now();
let shown = start;
const figures = noFigures();
let good = 0;
let target: Target | undefined;
let memory = 0;
let failures = 0;

if (values.seed !== undefined) {
  await onOneServer(values.seed, values.count, Number.POSITIVE_INFINITY);
} else {
  const until = start + values.minutes * 60_000;
  let seed = values.from ?? freshSeed();
  console.log(`from seed ${seed}`);
  do seed = await onOneServer(seed, PER_SERVER, until);
  while (performance.now() < until && failures === 0);
}
report(figures);
process.exitCode = failures === 0 ? 0 : 1;
refuseNothing("fuzz", figures.attacks + failures);

/** The next seed. */
async function onOneServer(first: number, count: number, until: number): Promise<number> {
  const begun = await Target.start(first);
  target = begun;
  let seed = first;
  try {
    // One at least, however short the time.
    for (; seed < first + count && (seed === first || performance.now() < until); seed++) {
      const last = seed === first + count - 1;
      await attack(begun, scriptsOf(seed), last || (seed - first) % LOOK_EVERY === LOOK_EVERY - 1, figures);
      if (performance.now() < shown + PROGRESS_MS) continue;
      shown = performance.now();
      memory = Math.max(memory, begun.memory);
      report(figures);
    }
    memory = Math.max(memory, begun.memory);
    good += begun.goodRequests;
    target = undefined;
    await begun.stop();
  } catch (error) {
    failures += 1;
    console.log(`seed ${seed}: ${(error as Error).message}`);
    console.log(
      `  npm run fuzz -- --seed ${seed}      with what came before: npm run fuzz -- --seed ${first} --count ${seed - first + 1}`,
    );
    console.log(begun.volume.server.stderr);
    await killServers();
    await begun.kill();
  }
  return seed;
}

function report({ attacks, connections, replies, bytes }: Figures): void {
  const seconds = Math.round((performance.now() - start) / 1000);
  const sent = `${Math.round(bytes / MIB)} MiB sent, ${replies} replies judged, ${good + (target?.goodRequests ?? 0)} good requests`;
  const most = `${Math.round(memory / MIB)} MiB above the start`;
  console.log(`${seconds} s: ${attacks} attacks, ${connections} connections, ${sent}, ${most}, ${failures} failures`);
}
