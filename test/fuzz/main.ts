/**
 * `npm run fuzz`: hostile clients against the built server, for a number of minutes or from one seed.
 *
 *   --minutes M    (1) attacks with fresh seeds, on one server after the other; a failure is printed with the line that replays it
 *   --seed N       this attack alone, on a new server
 *   --count K      with --seed: so many attacks, N, N+1 … on one server (a failure may need what came before)
 *   --from N       the first of the fresh seeds
 *
 * What each connection does follows from the seed; how the threads and sockets interleave does not.
 */
import { parseArgs } from "node:util";
import { killServers } from "../support/server.ts";
import { attack, type Figures, LOOK_EVERY, noFigures, scriptsOf } from "./attack.ts";
import { Target } from "./target.ts";

const PROGRESS_MS = 10_000;
/** Attacks on one server before a new one is started: its close and its start are tested, too. */
const PER_SERVER = 400;
const MIB = 2 ** 20;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string" },
    count: { type: "string", default: "1" },
    from: { type: "string" },
  },
});

const start = performance.now();
let shown = start;
const figures = noFigures();
let good = 0;
let target: Target | undefined;
let memory = 0;
let failures = 0;

if (values.seed !== undefined) {
  await onOneServer(Number(values.seed), Number(values.count), Number.POSITIVE_INFINITY);
} else {
  const until = start + Number(values.minutes) * 60_000;
  let seed = Number(values.from ?? Date.now() % 1_000_000_000);
  console.log(`from seed ${seed}`);
  while (performance.now() < until && failures === 0) seed = await onOneServer(seed, PER_SERVER, until);
}
report(figures);
process.exitCode = failures === 0 ? 0 : 1;

/** The next seed. */
async function onOneServer(first: number, count: number, until: number): Promise<number> {
  const begun = await Target.start(first);
  target = begun;
  let seed = first;
  try {
    for (; seed < first + count && performance.now() < until; seed++) {
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
