/**
 * `npm run fuzz:native`: fuzzed descriptors against the addon's core under sanitizers, on both rings (native-bindings/test/core_fuzz.cc;
 * `npm run fuzz:native -- --help`). A failure names its seed: that seed with --minutes 0 repeats it, as far as the kernel does the same again.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { count, driver, freshSeed, minutes } from "../support/driver.ts";
import { buildSanitized } from "./sanitized-core.ts";

const values = driver("fuzz:native", "Fuzzed descriptors against the addon's core under sanitizers, on both rings")
  .option("--minutes <M>", "lives of fresh seeds for so long; 0 is one life", minutes, 10)
  .option("--seed <N>", "the first seed; by default drawn from the clock", count(0))
  .parse()
  .opts<{ minutes: number; seed?: number }>();
const seed = values.seed ?? freshSeed();
const folder = mkdtempSync(join(tmpdir(), "snapring-fuzz-"));
try {
  console.log("building with sanitizers (half a minute)");
  await buildSanitized(folder, ["core_fuzz"]);
  console.log(`from seed ${seed}, for ${values.minutes} minutes`);
  const env = existsSync("/dev/shm") ? { ...process.env, TMPDIR: "/dev/shm" } : process.env;
  const args = [seed, values.minutes * 60].map(String);
  process.exitCode = spawnSync(join(folder, "core_fuzz"), args, { stdio: "inherit", env }).status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
