/**
 * Random schedules of the whole core against a plain model, each from one number (S-80…S-84, E-13…E-36, C-1…C-39).
 *
 * A seed that fails prints itself; `SNAPRING_SEED` runs one again, `SNAPRING_LIVES` sets how many are run.
 */
import { expect, test } from "vitest";
import { Simulation, type Life } from "../../support/core/simulation.ts";

const LIVES = Number(process.env["SNAPRING_LIVES"] ?? 60);
const STEPS = 1500;
const START = 1;

function live(life: Life): Record<string, number> {
  const seen: Record<string, number> = {};
  const only = process.env["SNAPRING_SEED"];
  const seeds = only === undefined ? Array.from({ length: LIVES }, (_, i) => START + i) : [Number(only)];
  for (const seed of seeds) {
    const simulation = new Simulation(seed * 7919, life);
    try {
      simulation.run(STEPS);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
    for (const [kind, count] of Object.entries(simulation.seen)) seen[kind] = (seen[kind] ?? 0) + count;
  }
  return seen;
}

test("clients, creations, drops, growth and full devices: every read is right, every request is answered (E-1…E-27, C-30)", () => {
  const seen = live({ faults: false, merges: false, crashes: false });
  expect(seen["read"]).toBeGreaterThan(0);
});

test("cow devices that fail: the origin never suffers, and no read is wrong (E-9, E-15, S-70)", () => {
  const seen = live({ faults: true, merges: false, crashes: false });
  expect(seen["write failed"]).toBeGreaterThan(0);
});

test("power cuts: every snapshot is the old origin plus its flushed writes (S-80…S-84)", () => {
  const seen = live({ faults: false, merges: false, crashes: true });
  expect(seen["crash"]).toBeGreaterThan(0);
});

test("power cuts and cow devices that fail, together (S-70, S-80)", () => {
  const seen = live({ faults: true, merges: false, crashes: true });
  expect(seen["crash"]).toBeGreaterThan(0);
});

test("merges beside clients: the merging volume is one register (E-30…E-36, C-31…C-39)", () => {
  const seen = live({ faults: false, merges: true, crashes: false });
  expect(seen["read"]).toBeGreaterThan(0);
});

test("merges cut by power failures go on from where they were (S-65, S-83)", () => {
  const seen = live({ faults: false, merges: true, crashes: true });
  expect(seen["crash"]).toBeGreaterThan(0);
});

test("merges over cow devices that fail, with power cuts (S-66, S-68)", () => {
  const seen = live({ faults: true, merges: true, crashes: true });
  expect(seen["crash"]).toBeGreaterThan(0);
});
