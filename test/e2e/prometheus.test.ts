/**
 * What Prometheus makes of packaging/prometheus and of the daemon's metrics: asked of its own promtool, which the set-up brings.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, type TestContext } from "vitest";
import { metricsText } from "../../src/control/metrics.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { runCommand, runOk } from "../support/run-command.ts";
import { sources } from "../unit/control/figures.ts";

const ROOT = join(import.meta.dirname, "../..");
const BROUGHT = join(ROOT, ".ci/promtool/promtool");
const PROMTOOL = existsSync(BROUGHT) ? BROUGHT : "promtool";
const RULES = join(ROOT, "packaging/prometheus/alerts.yml");
const TESTS = join(ROOT, "packaging/prometheus/alerts-test.yml");

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
});
afterEach(() => scratch.remove());

/** Skip the test where there is no promtool; fail where nothing may be left out. */
function requirePromtool(context: TestContext): void {
  if (spawnSync(PROMTOOL, ["--version"]).status === 0) return;
  if (process.env["SNAPRING_CI"] === "1") throw new Error("there is no promtool");
  context.skip("there is no promtool: `npm run setup` brings it");
}

test("the rules for alerts are rules, and are silent and speak when they have to", {
  timeout: 120_000,
}, async (context) => {
  requirePromtool(context);
  expect(await runOk(PROMTOOL, "check", "rules", RULES)).toMatch(/SUCCESS: 15 rules found/);
  expect(await runOk(PROMTOOL, "test", "rules", TESTS)).toMatch(/SUCCESS/);
});

test("their tests miss every rule that is not there", { timeout: 120_000 }, async (context) => {
  requirePromtool(context);
  writeFileSync(scratch.file("alerts.yml"), "groups: []\n");
  copyFileSync(TESTS, scratch.file("test.yml"));
  const { code, stdout, stderr } = await runCommand(PROMTOOL, "test", "rules", scratch.file("test.yml"));
  expect(code).toBe(1);
  const rules = [...readFileSync(RULES, "utf8").matchAll(/alert: (\w+)/g)].map(([, name]) => name!);
  expect(rules.filter((name) => !(stdout + stderr).includes(name))).toEqual([]);
});

test("the daemon's metrics are read as they are", { timeout: 120_000 }, async (context) => {
  requirePromtool(context);
  // A scrape has its own time; from a file each sample needs one.
  const text = (await metricsText(sources)).replace(/^(?!#)(.+)$/gm, "$1 1700000000");
  writeFileSync(scratch.file("metrics"), text);
  await runOk(PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", scratch.file("metrics"), scratch.file("blocks"));
  mkdirSync(scratch.file("blocks/wal"));
  const dump = await runOk(PROMTOOL, "tsdb", "dump", scratch.file("blocks"));
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  expect(samples.length).toBeGreaterThan(100);
  expect(dump.trim().split("\n")).toHaveLength(samples.length);
  expect(dump).toContain(
    '{__name__="snapring_snapshot_store_used_bytes", snapshot="night\\"ly\\n", volume="data"} 40960 1700000000000',
  );
});
