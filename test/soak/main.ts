/**
 * `npm run soak`: a volume under mixed load for a number of minutes, with a line every ten seconds.
 *
 *   --minutes M    (30)
 *   --seed N       what users do and when snapshots come and go follows from it, as far as real threads permit
 *   --rate R       requests per second, of all users together (1000)
 */
import { parseArgs } from "node:util";
import { Soak } from "./soak.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    seed: { type: "string" },
    rate: { type: "string", default: "1000" },
  },
});

const seed = Number(values.seed ?? Date.now() % 1_000_000);
const milliseconds = Number(values.minutes) * 60_000;
console.log(`npm run soak -- --minutes ${values.minutes} --rate ${values.rate} --seed ${seed}`);
try {
  const summary = await Soak.run({
    seed,
    milliseconds,
    rate: Number(values.rate),
    progress: (line) => console.log(line),
  });
  console.log(`passed, ${summary}`);
} catch (error) {
  console.log(`failed: ${(error as Error).stack}`);
  process.exitCode = 1;
}
