/** Metrics as Prometheus reads them: every figure of the statistics is there, once, under a name that says its unit. */
import { expect, test } from "vitest";
import { families } from "../../../src/control/metric-table.ts";
import { processFigures } from "../../../src/control/metric-sources.ts";
import { metricsText, METRICS_TYPE } from "../../../src/control/metrics.ts";
import { exported, histogram, snapshot, sources, worker } from "./figures.ts";

/** Samples by their names and labels. */
async function samplesOf(given = sources): Promise<Map<string, number>> {
  const lines = (await metricsText(given)).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const samples = lines.map((line) => /^(.*) (\S+)$/.exec(line) ?? expect.fail(line));
  expect(new Set(samples.map(([, name]) => name)).size).toBe(samples.length);
  return new Map(samples.map(([, name, value]) => [name, Number(value)]));
}

/** Labels as they are written. */
const SNAPSHOT = 'volume="data",snapshot="night\\"ly\\n"';

test("the text is OpenMetrics: each family has its words and its kind once, and there is an end", async () => {
  const text = await metricsText(sources);
  expect(METRICS_TYPE).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
  expect(text.endsWith("\n# EOF\n")).toBe(true);
  for (const { name, kind, help } of families()) {
    const base = kind === "counter" ? name.replace(/_total$/, "") : name;
    expect(text).toContain(`# HELP ${base} ${help}\n# TYPE ${base} ${kind}\n`);
  }
  expect(text.match(/^# TYPE /gm)).toHaveLength(families().length);
  expect(text).not.toContain("\n\n");
});

test.each([
  ["the daemon", 'snapring_build_info{version="1.2.3"}', 1],
  ["the daemon's processor time", "snapring_cpu_seconds_total", 62.5],
  ["operations", 'snapring_operations{state="failed"}', 1],
  ["the engine", "snapring_open_devices", 2],
  ["clients", "snapring_client_accepted_total", 50],
  ["a thread", 'snapring_worker_turns_total{role="export",worker="1"}', 42],
  ["how a thread does its I/O", 'snapring_worker_info{role="export",worker="1",kind="uring"}', 1],
  ["a volume's state", 'snapring_volume_state{volume="data",state="open"}', 1],
  ["a state that a volume has not", 'snapring_volume_state{volume="data",state="failed"}', 0],
  ["a volume that could not be opened", 'snapring_volume_state{volume="lost",state="failed"}', 1],
  ["a volume's log", 'snapring_volume_log_lines_dropped_total{volume="data"}', 33],
  ["a store, in bytes", `snapring_snapshot_store_used_bytes{${SNAPSHOT}}`, 80 * 512],
  ["a snapshot's state", `snapring_snapshot_state{${SNAPSHOT},state="merging"}`, 1],
  ["a merge that failed", `snapring_snapshot_merge_failed{${SNAPSHOT}}`, 1],
  ["a merge", `snapring_snapshot_merge_ratio{${SNAPSHOT}}`, 0.25],
  ["a merge's throttle", `snapring_snapshot_merge_throttle_ratio{${SNAPSHOT}}`, 0.25],
  ["a merge that is held", `snapring_snapshot_merge_paused{${SNAPSHOT}}`, 1],
  ["a creation's pause", 'snapring_volume_snapshot_pause_seconds_bucket{volume="data",le="0.004096"}', 3],
  ["an export", 'snapring_export_requests_total{volume="data",export="origin",operation="zero"}', 25],
] as const)("there is a sample of %s", async (_, name, value) => {
  expect((await samplesOf()).get(name)).toBe(value);
});

test("latencies are buckets of seconds, each with those below it, without a sum that nobody knows", async () => {
  const samples = await samplesOf();
  const labels = 'volume="data",export="origin",operation="read"';
  const bucket = (le: string): number | undefined =>
    samples.get(`snapring_export_latency_seconds_bucket{${labels},le="${le}"}`);
  expect(["0.000001", "0.000002", "0.000008", "2.097152", "4.194304", "+Inf"].map(bucket)).toEqual([1, 1, 3, 3, 7, 15]);
  const names = [...samples.keys()].filter((name) => name.includes("latency"));
  expect(names).toHaveLength(3 * 24);
  expect(names.every((name) => name.startsWith("snapring_export_latency_seconds_bucket{"))).toBe(true);
});

test("each number of the statistics is in it: none is left out, none stands under another's name", async () => {
  const values = new Set((await samplesOf()).values());
  // They differ from each other; sectors become bytes, and a thread's number is its label.
  const figures = [snapshot, exported, worker].flatMap((one) => Object.entries(one));
  const numbers = figures.filter(([name, value]) => typeof value === "number" && !/Sectors$|^index$/.test(name));
  expect(numbers.length).toBeGreaterThan(35);
  expect(numbers.filter(([, value]) => !values.has(value))).toEqual([]);
});

test("a figure that is not known has no sample, and a snapshot that is gone none either", async () => {
  const [data, lost] = sources.volumes;
  const idle = { ...snapshot, name: "idle", state: "active" as const, status: "80/100 16", mergeFraction: undefined };
  const stats = { ...data.stats!, snapshots: [idle], merge: undefined };
  const samples = await samplesOf({ ...sources, volumes: [{ ...data, stats }, lost] });
  const names = [...samples.keys()];
  expect(names.filter((name) => name.includes("night"))).toEqual([]);
  expect(names.filter((name) => /merge_(ratio|paused|throttle)/.test(name))).toEqual([]);
  expect(samples.get('snapring_snapshot_merge_failed{volume="data",snapshot="idle"}')).toBe(0);
  expect(names.filter((name) => name.includes("lost")).every((name) => name.startsWith("snapring_volume_state"))).toBe(
    true,
  );
});

test("two answers are the same, and the second costs nothing that stays", async () => {
  const first = await metricsText(sources);
  expect(await metricsText(sources)).toBe(first);
});

test("many volumes are all answered for, and main goes on meanwhile", async () => {
  const snapshots = Array.from({ length: 16 }, (_, i) => ({ ...snapshot, name: `s${i}` }));
  const exports = snapshots.map(({ name }) => ({ ...exported, name, readLatency: histogram({ 5: 5 }) }));
  const stats = { ...sources.volumes[0].stats!, snapshots, exports };
  const volumes = Array.from({ length: 64 }, (_, i) => ({ name: `v${i}`, state: "open" as const, stats }));
  let turns = 0;
  let over = false;
  const turn = (): void => {
    turns += 1;
    if (!over) setImmediate(turn);
  };
  turn();
  const samples = await samplesOf({ ...sources, volumes });
  over = true;
  expect(samples.size).toBeGreaterThan(64 * 16 * 100);
  expect(turns).toBeGreaterThan(samples.size / 500);
});

test("every name has a prefix, says its unit, and a label is none that a client chooses", () => {
  for (const { name, kind, labels, help } of families()) {
    expect(name).toMatch(/^snapring_[a-z]+(_[a-z]+)*$/);
    expect([name, name.endsWith("_total")]).toEqual([name, kind === "counter"]);
    expect([name, /sector|micro|milli|percent/.test(name)]).toEqual([name, false]);
    expect([name, help.endsWith(".")]).toEqual([name, true]);
    for (const label of labels)
      expect(["volume", "snapshot", "export", "operation", "role", "worker", "state", "kind", "version"]).toContain(
        label,
      );
  }
});

test("what node knows of the process is plausible", () => {
  const { startTimeSeconds, residentBytes, cpuSeconds } = processFigures();
  expect(Math.abs(Date.now() / 1000 - startTimeSeconds - process.uptime())).toBeLessThan(60);
  expect([residentBytes > 2 ** 20, cpuSeconds > 0]).toEqual([true, true]);
});
