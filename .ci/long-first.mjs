/**
 * The order of the test files of a group: those that take longest first, so that no core waits at its end for one file.
 *
 * Vitest goes by what it remembers of the last run, and a clean clone remembers nothing: then it goes by the size of the text, and the
 * file of ten lines that kills a server for a minute comes last.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BaseSequencer } from "vitest/node";

const ROOT = join(import.meta.dirname, "..");

/** A quarter of a minute and more on two cores, the longest first. */
const LONG = [
  "test/sim/mutants.test.ts",
  "test/e2e/living.test.ts",
  "test/e2e/power-cut.test.ts",
  "test/e2e/corpus.test.ts",
  "test/kernel/oracle.test.ts",
  "test/e2e/promise.test.ts",
  "test/e2e/package.test.ts",
  "test/sim/seeds-threads.test.ts",
  "test/e2e/full-disk.test.ts",
  "test/kernel/simulated.test.ts",
  "test/e2e/kill.test.ts",
  "test/e2e/durability.test.ts",
  "test/e2e/io-errors.test.ts",
  "test/e2e/cli-serve.test.ts",
  "test/e2e/data.test.ts",
  "test/e2e/tools.test.ts",
  "test/e2e/cli-offline.test.ts",
  "test/e2e/process-end.test.ts",
  "test/sim/seeds-early.test.ts",
  "test/sim/seeds-plain.test.ts",
  "test/tidy.test.ts",
  "test/e2e/cli-signals.test.ts",
  "test/e2e/loop-device.test.ts",
  "test/threads/volume-merge.test.ts",
  "test/native/sanitizer.test.ts",
  "test/threads/volume-fallback.test.ts",
  "test/threads/soak.test.ts",
  "test/e2e/hostile-limits.test.ts",
];

for (const path of LONG) if (!existsSync(join(ROOT, path))) throw new Error(`.ci/long-first.mjs: there is no ${path}`);

/** @param {import("vitest/node").TestSpecification} spec */
function rankOf(spec) {
  const rank = LONG.findIndex((path) => spec.moduleId.endsWith(`/${path}`));
  return rank === -1 ? LONG.length : rank;
}

export class LongFirst extends BaseSequencer {
  /** @override @param {import("vitest/node").TestSpecification[]} specs */
  async sort(specs) {
    const sorted = await super.sort(specs);
    const groupOf = (/** @type {import("vitest/node").TestSpecification} */ spec) =>
      spec.project.config.sequence.groupOrder;
    // Sorting is stable: the others keep vitest's order.
    return sorted.sort((a, b) => groupOf(a) - groupOf(b) || rankOf(a) - rankOf(b));
  }
}
