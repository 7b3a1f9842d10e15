/**
 * `npm run soak`: a volume, or several on one engine, under mixed load for a number of minutes, with a line every ten seconds (`npm run soak -- --help`).
 */
import { count, driver, freshSeed, minutes } from "../support/driver.ts";
import { Soak } from "./soak.ts";

const values = driver("soak", "A volume under mixed load, of which a model knows every sector")
  .option("--minutes <M>", "how long", minutes, 30)
  .option("--volumes <N>", "so many on one engine; they are also closed and opened again meanwhile", count(1), 1)
  .option(
    "--seed <N>",
    "what users do and when snapshots come and go follows from it, as far as real threads permit",
    count(0),
  )
  .option("--rate <R>", "requests per second, of all users together", count(1), 1000)
  .parse()
  .opts<{ minutes: number; volumes: number; seed?: number; rate: number }>();

const seed = values.seed ?? freshSeed();
const milliseconds = values.minutes * 60_000;
const { volumes, rate } = values;
const several = volumes === 1 ? "" : ` --volumes ${volumes}`;
console.log(`npm run soak -- --minutes ${values.minutes} --rate ${rate}${several} --seed ${seed}`);
try {
  const summary = await Soak.run({
    seed,
    milliseconds,
    rate,
    volumes,
    progress: (line) => console.log(line),
  });
  console.log(`passed, ${summary}`);
} catch (error) {
  console.log(`failed: ${(error as Error).stack}`);
  process.exitCode = 1;
}
