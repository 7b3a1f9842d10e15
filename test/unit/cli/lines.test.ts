/** The lines that live: progress and status. */
import { describe, expect, it } from "vitest";
import { progressBar, progressLine } from "../../../src/cli/progress-bar.ts";
import { StatusLine } from "../../../src/cli/status-line.ts";
import type { VolumeStats } from "../../../src/engine/volume.ts";
import { FakeTerminal } from "../../support/fake-terminal.ts";

const MIB = 2 ** 20;

describe("the progress bar", () => {
  it("shows share, bytes, rate and the time that is left", () => {
    expect(progressLine("merge", 25 * MIB, 100 * MIB, 5)).toBe(
      "merge  █████░░░░░░░░░░░░░░░   25 %  25 MiB of 100 MiB  5 MiB/s  15 s left",
    );
  });

  it("of nothing is full", () => {
    expect(progressLine("read", 0, 0, 0)).toContain("100 %");
  });

  it("draws on a terminal and leaves no trace", () => {
    const terminal = new FakeTerminal(true);
    const bar = progressBar(terminal, "read", 100);
    bar.update(50);
    bar.end();
    expect(terminal.stderr).toMatch(/50 %/);
    expect(terminal.stderr.endsWith("\r\x1b[K")).toBe(true);
    expect(terminal.stdout).toBe("");
  });

  it("is silent where there is no terminal", () => {
    const terminal = new FakeTerminal();
    const bar = progressBar(terminal, "read", 100);
    bar.update(50);
    bar.end();
    expect(terminal.stderr).toBe("");
  });
});

describe("the status line", () => {
  const stats = (writes: number, copies: number): VolumeStats =>
    ({
      snapshots: [{ name: "before", status: "640/64000 64", allocatedSectors: 640, totalSectors: 64000, copies }],
      exports: [{ reads: 0, writes, flushes: 0, trims: 0, zeroes: 0, readBytes: 0, writtenBytes: writes * 4096 }],
    }) as unknown as VolumeStats;

  it("begins without rates", () => {
    const line = new StatusLine();
    expect(line.next(stats(1000, 7), 3)).toBe("before 640/64000 64 (1.0 %)  0 I/O/s  0 B/s  copies 7 (+0/s)");
  });

  it("takes rates from the difference to the look before", () => {
    const line = new StatusLine();
    line.next(stats(1000, 7), 3);
    expect(line.next(stats(2024, 17), 5)).toBe("before 640/64000 64 (1.0 %)  512 I/O/s  2 MiB/s  copies 17 (+5/s)");
  });
});
