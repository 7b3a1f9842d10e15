/**
 * docs/METRICS.md is made from the table of metrics, and the rules for alerts name metrics and labels that there are. To make the document anew:
 * `npx vitest run test/unit/control/metrics-document.test.ts -u`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Family, families } from "../../../src/control/metric-table.ts";

const ROOT = join(import.meta.dirname, "../../..");

const HEAD = `# Metrics

Made from the table in \`src/control/metric-table.ts\` (\`test/unit/control/metrics-document.test.ts\` keeps it true). The daemon answers with these in the
OpenMetrics format at \`/metrics\` of its control socket, and at \`http://HOST:PORT/metrics\` with \`--metrics tcp:HOST:PORT\`. They are read when they are asked for;
nothing is counted for them alone. Rules for alerts: \`packaging/prometheus/alerts.yml\`.

Counters begin at 0 when a volume is opened, a snapshot created or a thread started. Labels are names of volumes (\`volume\`), snapshots (\`snapshot\`) and exports
(\`export\`: \`origin\`, or a snapshot's name), a thread's \`role\` (\`export\`, \`copy\`, \`metadata\`) and number (\`worker\`), and words of a fixed list. A histogram has the
buckets 2^b microseconds, b from 0 to 22, and \`+Inf\`, whose value is the number of all; it has neither \`_sum\` nor \`_count\`, for nobody adds latencies up.

| name | kind | labels | |
| --- | --- | --- | --- |
`;

const row = ({ name, kind, labels, help }: Family): string =>
  `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(" ")} | ${help} |`.replace("|  |", "| |");

test("docs/METRICS.md is what the table says", async () => {
  await expect(`${HEAD}${families().map(row).join("\n")}\n`).toMatchFileSnapshot(join(ROOT, "docs/METRICS.md"));
});

describe("packaging/prometheus/alerts.yml", () => {
  const text = readFileSync(join(ROOT, "packaging/prometheus/alerts.yml"), "utf8");
  const rules = text.split(/^ +- alert: /m).slice(1);

  test("has a rule for each thing that an operator has to know of", () => {
    expect(rules.map((rule) => rule.split("\n")[0])).toEqual([
      "SnapringDown",
      "SnapringThreadDied",
      "SnapringThreadStuck",
      "SnapringVolumeFailed",
      "SnapringSnapshotInvalid",
      "SnapringSnapshotOverflow",
      "SnapringSnapshotStalled",
      "SnapringStoreFilling",
      "SnapringStoreNearlyFull",
      "SnapringStoreFullSoon",
      "SnapringMergeFailed",
      "SnapringMergeStalled",
      "SnapringRequestErrors",
      "SnapringClientsRefused",
      "SnapringLogDropped",
    ]);
  });

  test.each(rules.map((rule) => [rule.split("\n")[0], rule]))(
    "%s names what there is, and says what to do",
    (_, rule) => {
      const expression = /expr: (?:\|\n)?([\s\S]*?)\n +for: /.exec(rule)?.[1] ?? "";
      const used = [...expression.matchAll(/\bsnapring_\w+/g)].map(([name]) => name);
      const known = new Map(
        families().map((one) => [one.kind === "histogram" ? `${one.name}_bucket` : one.name, one] as const),
      );
      expect(used.filter((name) => !known.has(name))).toEqual([]);
      if (!rule.startsWith("SnapringDown")) expect(used.length).toBeGreaterThan(0);
      for (const [, name, label, value] of expression.matchAll(/\b(snapring_\w+)\{(\w+)="([^"]+)"\}/g)) {
        expect([name, known.get(name)?.labels.includes(label)]).toEqual([name, true]);
        expect(["failed", "invalid", "overflow", "merging", "active"]).toContain(value);
      }
      const labels = used.flatMap((name) => known.get(name)?.labels ?? []);
      for (const [, label] of rule.matchAll(/\$labels\.(\w+)/g)) expect([...labels, "instance"]).toContain(label);
      expect(rule).toMatch(/^ +for: \d+[smh]$/m);
      expect(rule).toMatch(/^ +severity: (critical|warning)$/m);
      expect(rule).toMatch(/^ +summary: \S/m);
      expect(rule).toMatch(/^ +description: \S/m);
    },
  );
});
