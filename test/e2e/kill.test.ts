/**
 * A served volume is killed under fio and clients with ledgers, and opened again (S-80, S-81, S-83, E-10, E-11, E-40, E-41): one
 * life of `npm run kill` (test/kill/life.ts), of a seed of its own each time. The real kernel is left to the longer runs.
 */
import { expect, test } from "vitest";
import { type LifeFigures, liveUnderKills } from "../kill/life.ts";

const ROUNDS = 10;

test(`killed ${ROUNDS} times under load and opened again: what was promised is there`, {
  timeout: 240_000,
}, async () => {
  const seed = Date.now() % 1_000_000;
  const lines: string[] = [`npm run kill -- --rounds ${ROUNDS} --seed ${seed} --kernel 0`];
  const say = (line: string): number => lines.push(line);
  const figures: LifeFigures = await liveUnderKills({ seed, rounds: ROUNDS, kernelPercent: 0, say }).catch((error) => {
    throw new Error(`${error.message}\n${lines.join("\n")}`, { cause: error });
  });
  expect(figures.kills).toBe(ROUNDS);
  // The rounds meant something.
  expect(figures.writes).toBeGreaterThan(ROUNDS * 20);
  expect(figures.offline).toBeGreaterThan(0);
});
