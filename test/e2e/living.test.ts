/**
 * A life of the daemon under real clients, of a seed of its own each time: a short one of `npm run living` (test/living/life.ts). fio verifies what it writes on four
 * volumes, clients with models judge every export, a writer that goes from volume to volume judges what is one moment, and the journal of events is held to its ids.
 */
import { expect, test } from "vitest";
import { missingForOracle } from "../support/dm-oracle.ts";
import { type LifeFigures, live } from "../living/life.ts";

/** Of the smallest volume: on a busy machine every byte is judged several times over. */
const MEBIBYTES = 4;
/** A life that hangs ends by itself before. */
const TIMEOUT = 900_000;

async function lived(seconds: number): Promise<LifeFigures> {
  const seed = Date.now() % 1_000_000;
  const missing = missingForOracle();
  if (missing.length > 0 && process.env["SNAPRING_CI"] === "1")
    throw new Error(`no kernel here: ${missing.join(", ")}`);
  const kernelPercent = missing.length > 0 ? 0 : 20;
  const lines = [`npm run living -- --minutes ${seconds / 60} --seed ${seed} --size ${MEBIBYTES}`];
  const say = (line: string): number => lines.push(line);
  return await live({ seed, milliseconds: seconds * 1000, kills: 0, kernelPercent, mebibytes: MEBIBYTES, say }).catch(
    (error) => {
      throw new Error(`${error.message}\n${lines.join("\n")}`, { cause: error });
    },
  );
}

test("a daemon lives: under clients that never rest its snapshots are what the volumes were, and no event is lost (E-18, E-30, E-40, E-50)", {
  timeout: TIMEOUT,
}, async () => {
  const { verbs, fioRounds } = await lived(10);
  expect(verbs["create"]).toBeGreaterThan(0);
  expect(fioRounds).toBeGreaterThan(0);
  expect(verbs["end"]).toBe(1);
});
