/** A failing life is shrunk: what it needs to fail stays, everything else goes; and the line that replays it says so. */
import { expect, test } from "vitest";
import { type Failure, type LifeKind, replayLine, shrink, tryLife } from "./seeds.ts";
import { SWITCHES } from "./swarm.ts";

const FAILURE: Failure = { depth: "core", seed: 7, plain: false, steps: 1000, without: ["fua"], message: "at first" };

/** Fails where there are crashes and merges, after so many steps. */
function failsAt(steps: number): (kind: LifeKind) => Failure | undefined {
  return (kind) => {
    const { without = [] } = kind;
    const fails = kind.steps >= steps && !without.includes("crashes") && !without.includes("merges");
    return fails ? { ...FAILURE, ...kind, without, message: `fails with ${kind.steps}` } : undefined;
  };
}

test.for([1, 2, 137, 999, 1000])("what fails after %i steps is brought to these, and to what it needs", (steps) => {
  const small = shrink(FAILURE, failsAt(steps));
  expect(small).toMatchObject({ depth: "core", seed: 7, plain: false, steps });
  expect(SWITCHES.filter((name) => !small.without.includes(name))).toEqual(["crashes", "merges"]);
  expect(replayLine(small)).toBe(
    `npm run sim -- --depth core --seed 7 --steps ${steps} --without ${small.without.join(",")}`,
  );
});

test("a life that must have something keeps that, and its line says so", () => {
  const small = shrink({ ...FAILURE, having: ["crashes"] }, failsAt(3));
  expect(replayLine(small)).toMatch(/^npm run sim -- --depth core --seed 7 --steps 3 --without \S+ --having crashes$/);
});

test("what fails no smaller stays as it is", () => {
  const fails = (kind: LifeKind): Failure | undefined =>
    kind.steps === FAILURE.steps && kind.without?.length === 1 ? FAILURE : undefined;
  expect(shrink(FAILURE, fails)).toBe(FAILURE);
});

test.for(["core", "threads", "volumes"] as const)("a seed of depth %s lives the same life again", (depth) => {
  const lives = [0, 1].map(() => {
    const seen: Record<string, number> = {};
    expect(tryLife({ depth, seed: 11, plain: false, steps: 500 }, seen)).toBeUndefined();
    return seen;
  });
  expect(Object.keys(lives[0]).length).toBeGreaterThan(3);
  expect(lives[1]).toEqual(lives[0]);
});
