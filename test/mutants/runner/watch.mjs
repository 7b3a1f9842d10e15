/**
 * A thread that ends its process when a test computes for too long: nothing else can end a loop that never ends.
 *
 *   the process's thread              this thread, ten times a second
 *   LIMIT ← time used + what may be ──▶ time used > LIMIT: leave a file that says so (endless/MUTANT), kill the process
 *
 * What counts is the time that the process has computed, not the clock: on a machine that does other things a test is late, but not endless. One
 * that waits for ever computes nothing: that is left to Stryker's clock.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { workerData } from "node:worker_threads";

const { shared, folder } = workerData;
/** What the process may have used, in milliseconds, and the mutant's number. */
const [LIMIT, MUTANT] = [0, 1];
const words = new Int32Array(shared);

for (;;) {
  Atomics.wait(words, MUTANT, Atomics.load(words, MUTANT), 100);
  const limit = Atomics.load(words, LIMIT);
  const { user, system } = process.cpuUsage();
  if (limit === 0 || (user + system) / 1000 < limit) continue;
  mkdirSync(join(folder, "endless"), { recursive: true });
  writeFileSync(join(folder, "endless", String(Atomics.load(words, MUTANT))), "");
  process.kill(process.pid, "SIGKILL");
}
