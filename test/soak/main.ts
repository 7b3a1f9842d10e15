/**
 * `npm run soak`: a volume under mixed load for a number of minutes, with a line every ten seconds (`npm run soak -- --help`).
 */
import { count, driver, freshSeed, minutes } from "../support/driver.ts";
import { Soak } from "./soak.ts";

const values = driver("soak", "A volume under mixed load, of which a model knows every sector")
  .option("--minutes <M>", "how long", minutes, 30)
  .option(
    "--seed <N>",
    "what users do and when snapshots come and go follows from it, as far as real threads permit",
    count(0),
  )
  .option("--rate <R>", "requests per second, of all users together", count(1), 1000)
  .parse()
  .opts<{ minutes: number; seed?: number; rate: number }>();

const seed = values.seed ?? freshSeed();
const milliseconds = values.minutes * 60_000;
console.log(`npm run soak -- --minutes ${values.minutes} --rate ${values.rate} --seed ${seed}`);
try {
  const summary = await Soak.run({
    seed,
    milliseconds,
    rate: values.rate,
    progress: (line) => console.log(line),
  });
  console.log(`passed, ${summary}`);
} catch (error) {
  console.log(`failed: ${(error as Error).stack}`);
  process.exitCode = 1;
}
