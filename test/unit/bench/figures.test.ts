/** How figures are printed. */
import { expect, test } from "vitest";
import { Figures } from "../../../bench/figures.ts";

function printed(json: boolean): string[] {
  const lines: string[] = [];
  const figures = new Figures(json, (line) => lines.push(line));
  figures.report("reads", 123456.7, "IOPS");
  figures.report("ratio", 1.234, "×");
  figures.report("commits", 0.002_44, "");
  figures.end();
  return lines;
}

test("a line for each figure, as soon as it is known, with digits that mean something", () => {
  expect(printed(false).map((line) => line.replace(/\s+/g, " ").trim())).toEqual([
    "reads 123457 IOPS",
    "ratio 1.23 ×",
    "commits 0.00244",
  ]);
});

test("as JSON: all of them, exactly, in one line at the end", () => {
  const lines = printed(true);
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0])[0]).toEqual({ name: "reads", value: 123456.7, unit: "IOPS" });
});
