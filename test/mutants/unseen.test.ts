/** Mutants that nobody can see are named so that no other is taken for one of them (`npm run mutants`). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { blockOf, type Mutant, unseenOf } from "./report.ts";
import { UNSEEN, type Unseen } from "./unseen.ts";

const ROOT = join(import.meta.dirname, "../..");
const TWICE = ["f(): boolean {", "  if (a) {", "    end();", "", "    return false;", "  }", "  return false;", "}"];

function mutantAt(lines: readonly string[], at: number): Mutant {
  const line = lines[at]!.trim();
  const place = { line: at + 1, column: 1 };
  const what = { mutator: "BooleanLiteral", original: "false", replacement: "true", found: false, weakens: false };
  return { file: "x.ts", start: place, end: place, line, within: blockOf(lines, at), ...what };
}

it("one whose line stands in its file twice is told by the block around it", () => {
  expect([4, 6].map((at) => blockOf(TWICE, at))).toEqual(["if (a) {", "f(): boolean {"]);
  const first: Unseen = { file: "x.ts", line: "return false;", within: "if (a) {", instead: "true", why: "" };
  const either: Unseen = { file: "x.ts", line: "return false;", instead: "true", why: "" };
  const [inner, outer] = [4, 6].map((at) => mutantAt(TWICE, at));
  expect([unseenOf(inner!, [first]), unseenOf(outer!, [first])]).toEqual([first, undefined]);
  expect([unseenOf(inner!, [either]), unseenOf(outer!, [either])]).toEqual([either, either]);
});

it.each(UNSEEN)("$file: $line ($instead) is there", ({ file, line, within }) => {
  const lines = readFileSync(join(ROOT, file), "utf8").split("\n");
  const places = lines.flatMap((text, at) => (text.trim() === line ? [blockOf(lines, at)] : []));
  expect(places.length).toBeGreaterThan(0);
  // Where the block is named it is one place, and no other.
  if (within !== undefined) expect(places.filter((block) => block === within)).toHaveLength(1);
});
