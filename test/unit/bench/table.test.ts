import { describe, expect, it } from "vitest";
import { markdownReport, markdownTable } from "../../../bench/table.ts";
import { measured, result } from "./records.ts";

const READ = "read-unmapped-4k-qd32";

describe("a Markdown table", () => {
  it("has a header, a rule and a line for each row, figures to the right", () => {
    expect(
      markdownTable(
        ["name", "n"],
        [
          ["a", "1"],
          ["b", "2"],
        ],
      ),
    ).toBe("| name | n |\n| --- | ---: |\n| a | 1 |\n| b | 2 |");
  });

  it("keeps a bar in a cell from ending it", () => {
    expect(markdownTable(["x"], [["a|b"]])).toContain("a\\|b");
  });
});

describe("the report", () => {
  const records = [0, 1, 2].flatMap((round) => [
    measured(READ, "qemu-raw", round, 1000 + round, { serverCpuUs: 20 }),
    measured(READ, "snapring-16k", round, 1500 + round, { serverCpuUs: 10 }),
  ]);

  it("says where, with what and how it was measured", () => {
    const report = markdownReport(result(records), ["direct-iops.svg"]);
    expect(report).toContain("# direct: O_DIRECT, ext4");
    expect(report).toContain("kernel: 6.1; file system: ext4; fio: 3.33.");
    expect(report).toContain("rounds: 3; 5 s each after 1.5 s of warm-up; medians.");
    expect(report).toContain("- `snapring-16k`: is snapring-16k");
    expect(report).toContain("![direct-iops](direct-iops.svg)");
  });

  it("has an overview with a dash where nothing was measured", () => {
    const report = markdownReport(result([...records, measured("read-seq-1m-qd4", "qemu-raw", 0, 700)]), []);
    expect(report).toContain("| workload | qemu-raw | snapring-16k |");
    expect(report).toContain(`| ${READ} | 1001 | 1501 |`);
    expect(report).toContain("| read-seq-1m-qd4 | 700 | – |");
  });

  it("has a table for each workload with the ratio to its baseline", () => {
    const report = markdownReport(result(records), []);
    expect(report).toContain("× qemu-raw");
    expect(report).toContain("| snapring-16k | 1501 | 1500–1502 | 1.50 |");
  });

  it("shows the goals and whether they were reached", () => {
    const goals = markdownReport(result(records), []).split("## Goals")[1].split("##")[0];
    expect(goals).toContain(
      `| ${READ} | snapring-16k | qemu-raw | 1.3 | 1.50 | reached | 0.6 × qemu-raw | 0.50 | reached |`,
    );
    const slow = records.map((r) => (r.server === "qemu-raw" ? { ...r, iops: 3000 } : r));
    expect(markdownReport(result(slow), [])).toContain("| 1.3 | 0.50 | missed |");
  });

  it("counts runs that others disturbed", () => {
    const disturbed = [...records, measured(READ, "qemu-raw", 3, 900, { foreignCpus: 0.8 })];
    expect(markdownReport(result(disturbed), [])).toContain("more than 0.5 CPUs to others: 1 of 7.");
  });

  it("tells what was not measured, and why, in one line each", () => {
    const failed = { outcome: "failed", server: "qsd-cbw", workload: READ, round: 0, why: "it\n fell over" } as const;
    const report = markdownReport(result([...records, failed, { ...failed, round: 1 }]), []);
    expect(report.split("## Not measured")[1].trim()).toBe(`- failed: qsd-cbw on ${READ}: it fell over`);
  });
});
