/**
 * The simulator can fail: it finds every planted mutant (mutants/), within the limits of mutants/run.ts.
 *
 * Each depth is a process of its own, because mutants are planted by module hooks; here its verdicts are read.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, test } from "vitest";
import { MUTANTS } from "./mutants/all.ts";
import { FIRST_SEEDS } from "./mutants/first-seeds.ts";
import { AS_IT_IS, TABLE_LIVES } from "./table-lives.ts";
import type { Verdict } from "./mutants/run.ts";

const FOLDER = import.meta.dirname;
/** Each has a minute of its own; together they take far less. */
const TIMEOUT_MS = 15 * 60_000;
const MUTANTS_MIN = 25;

/** A mutant that does not even run shows nothing. */
const BROKEN = /^(SyntaxError|ReferenceError|TypeError)/;

test(`there are at least ${MUTANTS_MIN} mutants, each with a name of its own`, () => {
  const names = Object.values(MUTANTS).flatMap((level) => level.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(MUTANTS_MIN);
  // No number stays of one that has gone.
  expect(names).toEqual(expect.arrayContaining(Object.keys(FIRST_SEEDS)));
});

describe.each(["core", "threads", "volumes", "table"] as const)("depth %s", (depth) => {
  const verdicts = new Map<string, (verdict: Verdict) => void>();
  const names = [...MUTANTS[depth].map(({ name }) => name), ...(depth === "table" ? [AS_IT_IS] : [])];
  const found = new Map(names.map((name) => [name, new Promise<Verdict>((resolve) => verdicts.set(name, resolve))]));

  test("all of them are judged", { timeout: TIMEOUT_MS }, async () => {
    const args = ["--import", join(FOLDER, "typescript.mjs"), join(FOLDER, "mutants/run.ts"), "", depth];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => child.once("close", resolve));
    for await (const line of createInterface({ input: child.stdout })) {
      const verdict = JSON.parse(line) as Verdict;
      verdicts.get(verdict.name)?.(verdict);
      verdicts.delete(verdict.name);
    }
    expect(await ended).toBe(0);
    expect([...verdicts.keys()]).toEqual([]);
  });

  if (depth === "table") {
    test(`${TABLE_LIVES} lives of the table as it is are right (C-2, C-3, C-26)`, async () => {
      const verdict = (await Promise.race([found.get(AS_IT_IS), Promise.resolve(undefined)])) as Verdict | undefined;
      expect(verdict).toMatchObject({ seed: -1, message: "" });
    });
  }

  test.each(MUTANTS[depth])("finds: $name", async ({ name, story }) => {
    const verdict = (await Promise.race([found.get(name), Promise.resolve(undefined)])) as Verdict | undefined;
    expect(verdict, "it was judged").toBeDefined();
    expect(verdict!.seed, `${story} ${JSON.stringify(verdict)}`).toBeGreaterThan(0);
    expect(verdict!.message).not.toMatch(BROKEN);
    expect(verdict!.innocent, "the same life without the mutant is right").toBe(true);
  });
});
