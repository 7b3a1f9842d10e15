import { describe, expect, it } from "vitest";
import { barPlot, type Bar } from "../../../bench/plot.ts";
import { panels } from "../../../bench/report.ts";
import { IOPS, SERVER_CPU } from "../../../bench/ratio.ts";
import { measured, result } from "./records.ts";

const bar = (label: string, value: number, strong = false): Bar => ({
  label,
  value,
  min: value / 2,
  max: value,
  strong,
});

function widths(svg: string): number[] {
  return [...svg.matchAll(/<rect x="206" y="\d+" width="([\d.]+)"/g)].map((m) => Number(m[1]));
}

describe("a bar plot", () => {
  it("draws bars in proportion, from zero", () => {
    const [a, b] = widths(barPlot("t", [{ title: "w", bars: [bar("a", 1000), bar("b", 250)] }], 0));
    expect(a / b).toBeCloseTo(4, 1);
  });

  it("gives each panel a scale of its own", () => {
    const all = widths(
      barPlot(
        "t",
        [
          { title: "v", bars: [bar("a", 1000)] },
          { title: "w", bars: [bar("a", 3)] },
        ],
        0,
      ),
    );
    expect(all[0]).toBe(all[1]);
  });

  it("draws a bar of nothing without a width that is no number", () => {
    expect(widths(barPlot("t", [{ title: "w", bars: [bar("a", 0)] }], 0))).toEqual([0]);
  });

  it("sets ours apart", () => {
    const svg = barPlot("t", [{ title: "w", bars: [bar("peer", 1), bar("ours", 1, true)] }], 0);
    const fills = [...svg.matchAll(/<rect x="206"[^>]*fill="([^"]+)"/g)].map((m) => m[1]);
    expect(new Set(fills).size).toBe(2);
  });

  it("leaves a panel without bars out", () => {
    expect(barPlot("t", [{ title: "nothing here", bars: [] }], 0)).not.toContain("nothing here");
  });

  it("stays XML whatever the names hold", () => {
    const svg = barPlot('a < b & "c"', [{ title: "<w>", bars: [bar("x&y", 1)] }], 0);
    expect(svg).toContain("a &lt; b &amp; &quot;c&quot;");
    expect(svg).toContain("&lt;w&gt;");
    expect(svg).toContain("x&amp;y");
    // Every tag is closed.
    const open = [...svg.matchAll(/<(\w+)\b[^>]*?(\/?)>/g)].filter((m) => m[2] === "").length;
    expect(open).toBe([...svg.matchAll(/<\/\w+>/g)].length);
  });
});

describe("the panels of a result", () => {
  it("have a bar with median and range for each server that has the figure", () => {
    const records = [
      measured("read-seq-1m-qd4", "floor", 0, 10, { serverCpuUs: undefined }),
      ...[30, 10, 20].map((iops, round) => measured("read-seq-1m-qd4", "snapring-16k", round, iops)),
    ];
    const r = result(records);
    expect(panels(r, records, IOPS)).toEqual([
      {
        title: "read-seq-1m-qd4",
        bars: [
          { label: "floor", value: 10, min: 10, max: 10, strong: false },
          { label: "snapring-16k", value: 20, min: 10, max: 30, strong: true },
        ],
      },
    ]);
    expect(panels(r, records, SERVER_CPU)[0].bars.map((b) => b.label)).toEqual(["snapring-16k"]);
  });
});
