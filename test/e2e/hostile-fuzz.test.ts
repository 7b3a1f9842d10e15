/**
 * Hostile clients against the built server: the named streams, and a few seeds of `npm run fuzz` (test/fuzz), with well-behaved clients
 * beside them. After each attack nothing may be left of it, and every byte of the volume must be explained.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { attack, LOOK_EVERY, noFigures, scriptsOf } from "../fuzz/attack.ts";
import { NAMED_CASES } from "../fuzz/named-cases.ts";
import { Target } from "../fuzz/target.ts";
import { killServers } from "../support/server.ts";

const FIRST_SEED = 7000;
const SEEDS = 25;

let target: Target;

beforeAll(async () => {
  target = await Target.start(1);
});
afterAll(async () => {
  // Whatever was left by a failure would be named here, too: it ends in order, with exit code 0.
  await target.stop().finally(killServers);
});

test.each(NAMED_CASES)("%s", async (_, scripts) => {
  const figures = noFigures();
  await attack(target, scripts, false, figures);
  expect(figures.connections).toBe(scripts.length);
});

test(`attacks of the seeds ${FIRST_SEED} … ${FIRST_SEED + SEEDS - 1}`, async () => {
  const figures = noFigures();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    await attack(target, scriptsOf(seed), (seed - FIRST_SEED) % LOOK_EVERY === LOOK_EVERY - 1, figures).catch(
      (error) => {
        throw new Error(`npm run fuzz -- --seed ${seed}: ${(error as Error).message}`, { cause: error });
      },
    );
  }
  expect(figures).toMatchObject({ attacks: SEEDS });
  expect(figures.replies).toBeGreaterThan(SEEDS);
});
