/** The command that runs the models of the protocol says what it needs; what the models find is its own business (`npm run models`). */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { filesBelow, ROOT, textOf } from "./repository.ts";

const CHECK = (JSON.parse(textOf("package.json")) as { scripts: Record<string, string> }).scripts["models"];

function check(args: readonly string[], env: Record<string, string> = {}): { status: number | null; output: string } {
  const { status, stdout } = spawnSync(join(ROOT, CHECK), args, { env: { ...process.env, ...env }, encoding: "utf8" });
  return { status, output: stdout };
}

it("its help names what it needs, how long it takes, and its arguments", () => {
  const { status, output } = check(["--help"]);
  expect(status).toBe(0);
  expect(output).toMatch(/npm run models[\s\S]*trace MODEL[\s\S]*spin and a C compiler[\s\S]*memory[\s\S]*minutes/);
});

it("where spin is missing it says so, and how to get it", () => {
  expect(check(["P7"], { SPIN: "/nowhere/spin" })).toEqual({
    status: 2,
    output: "check: spin not found (install the package 'spin', or set SPIN)\n",
  });
});

it("every model is run by it", () => {
  const models = filesBelow("docs/spec/models").filter((path) => path.endsWith(".pml"));
  const runs = textOf(CHECK);
  expect(models.length).toBeGreaterThan(6);
  expect(models.filter((path) => !new RegExp(`["; ]${path.replace(/.*\/|\.pml$/g, "")}[ ";]`).test(runs))).toEqual([]);
});
