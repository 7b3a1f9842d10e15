/**
 * `npm run fuzz:native`: fuzzed descriptors against the addon's core under sanitizers, on both rings (native-bindings/test/core_fuzz.cc).
 *
 *   --minutes M   (10) lives of fresh seeds for so long
 *   --seed N      the first seed; by default drawn from the clock. A failure names its own: that seed with --minutes 0 repeats it,
 *                 as far as the kernel does the same again
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildSanitized } from "./sanitized-core.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, seed: { type: "string" } },
});
const seed = values.seed ?? String(Date.now() % 1_000_000_000);
const folder = mkdtempSync(join(tmpdir(), "snapring-fuzz-"));
try {
  buildSanitized(folder, ["core_fuzz"]);
  console.log(`from seed ${seed}, for ${values.minutes} minutes`);
  const env = existsSync("/dev/shm") ? { ...process.env, TMPDIR: "/dev/shm" } : process.env;
  const args = [seed, String(Number(values.minutes) * 60)];
  process.exitCode = spawnSync(join(folder, "core_fuzz"), args, { stdio: "inherit", env }).status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
