/**
 * `npm run living`: a daemon with four volumes under real clients, to which everything is done that can be, and which is killed on the way (`npm run living -- --help`).
 */
import { missingForOracle } from "../support/dm-oracle.ts";
import { count, driver, freshSeed, minutes, refuseNothing } from "../support/driver.ts";
import { live } from "./life.ts";

const values = driver("living", "A daemon with volumes under real clients, judged by what they know")
  .option("--minutes <M>", "how long", minutes, 2)
  .option(
    "--seed <N>",
    "what happens, and when, as far as threads and disks permit; by default drawn from the clock",
    count(0),
  )
  .option("--kills <K>", "kill the daemon so many times meanwhile", count(0), 0)
  .option(
    "--kernel <P>",
    "percent of the kills after which the real kernel reads a store, where it can be run",
    count(0),
    20,
  )
  .option("--size <MIB>", "of the smallest volume", count(4), 16)
  .parse()
  .opts<{ minutes: number; seed?: number; kills: number; kernel: number; size: number }>();

const seed = values.seed ?? freshSeed();
const kernelPercent = missingForOracle().length === 0 ? values.kernel : 0;
if (kernelPercent === 0) console.log("living: no store is read by the real kernel");
console.log(`npm run living -- --minutes ${values.minutes} --kills ${values.kills} --seed ${seed}`);
try {
  const { kills, size: mebibytes } = values;
  const options = { seed, kills, kernelPercent, mebibytes, milliseconds: values.minutes * 60_000 };
  const { verbs, ...rest } = await live({ ...options, say: (line) => console.log(line) });
  console.log(`passed: ${JSON.stringify(rest)}`);
  for (const [verb, times] of Object.entries(verbs).sort()) console.log(`  ${String(times).padStart(6)} ${verb}`);
  refuseNothing("living", rest.requests);
} catch (error) {
  console.log(`failed, with --seed ${seed}: ${(error as Error).stack}`);
  process.exitCode = 1;
}
process.exit();
