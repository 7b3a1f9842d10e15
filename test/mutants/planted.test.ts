/** The planted mistakes fit: each changes one place of a file as it is, and names tests that are there (`npm run mutants -- --planted`). */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { planted } from "./plant.ts";
import { PLANTED } from "./planted.ts";

const ROOT = join(import.meta.dirname, "../..");
const PLANTED_MIN = 45;

it(`there are at least ${PLANTED_MIN}, each with a name of its own`, () => {
  expect(new Set(PLANTED.map(({ name }) => name)).size).toBe(PLANTED.length);
  expect(PLANTED.length).toBeGreaterThanOrEqual(PLANTED_MIN);
});

describe.each(PLANTED)("$name", ({ edits, tests }) => {
  it("changes the sources as they are", () => {
    for (const one of edits) {
      const text = readFileSync(join(ROOT, one.file), "utf8");
      expect(planted(text, join(ROOT, one.file), [one])).not.toBe(text);
    }
  });

  it("names tests that are there", () => {
    for (const glob of tests) {
      const [before, after] = basename(glob).split("*");
      const names = readdirSync(join(ROOT, dirname(glob)));
      expect(
        names.some((name) => name.startsWith(before!) && name.endsWith(after ?? "")),
        glob,
      ).toBe(true);
    }
  });
});
