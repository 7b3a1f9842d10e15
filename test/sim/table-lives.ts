/**
 * Runs of many lives of the exception table (table-life.ts), loaded as generators; for `npm run sim`, the suite and the mutants.
 *
 * Only where typescript.mjs is registered: its hooks turn the query of the import into the stepping table, on a small scale.
 */
import { TABLE_SCALE } from "./mutants/table.ts";
import type { Edit } from "./mutants/mutant.ts";
import type { liveTable } from "./table-life.ts";

/** Lookups and changes of one life. */
export const TABLE_STEPS = 500;

/** Lives without a mutant in the suite, and the name under which they are reported. */
export const TABLE_LIVES = 300;
export const AS_IT_IS = "as it is";

export async function loadTableLife(edits: readonly Edit[] = []): Promise<typeof liveTable> {
  const patch = Buffer.from(JSON.stringify([...TABLE_SCALE, ...edits])).toString("base64url");
  const module = (await import(`./table-life.ts?stepping&mutant=${patch}`)) as { readonly liveTable: typeof liveTable };
  return module.liveTable;
}

/** One life again, or fresh seeds for some minutes; true: all were right. */
export async function searchTable(options: {
  seed?: number;
  minutes: number;
  from: number;
  steps?: number;
}): Promise<boolean> {
  const live = await loadTableLife();
  const { seed, minutes, steps = TABLE_STEPS } = options;
  if (seed !== undefined) return isRight(live, seed, steps);
  const start = performance.now();
  let shown = start;
  let lives = 0;
  let failures = 0;
  const report = (): void => {
    const perSecond = Math.round((lives * steps * 1000) / (performance.now() - start));
    console.log(`${lives} lives, ${lives * steps} steps, ${perSecond} steps per second, ${failures} failures`);
  };
  // One at least, however short the time.
  while (lives === 0 || performance.now() < start + minutes * 60_000) {
    if (!isRight(live, options.from + lives++, steps)) failures += 1;
    if (performance.now() < shown + 5000) continue;
    shown = performance.now();
    report();
  }
  report();
  return failures === 0;
}

function isRight(live: typeof liveTable, seed: number, steps: number): boolean {
  try {
    live({ seed, steps });
    return true;
  } catch (error) {
    console.log(
      `seed ${seed}: ${(error as Error).message}\n  npm run sim -- --depth table --seed ${seed} --steps ${steps}`,
    );
    return false;
  }
}
