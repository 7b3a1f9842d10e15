import { describe, expect, it } from "vitest";
import {
  parseChildrenSeconds,
  parseDiskStat,
  parseMachineStat,
  parsePeakRssBytes,
  parseProcessStat,
  parseRssBytes,
  parseThreadSeconds,
} from "../../../bench/proc-text.ts";

//                pid  name            st parent … minflt … utime stime cutime cstime
const STAT = "4711 (a (strange) name) S 42 4711 42 0 -1 4194304 100 200 3 4 150 25 700 50 20 0 11 0 12345 1 2";

describe("texts of /proc", () => {
  it("a process: its parent and its CPU time, behind a name with parentheses and spaces", () => {
    expect(parseProcessStat(STAT)).toEqual({ parent: 42, cpuSeconds: 1.75 });
  });

  it("a process: the CPU time of its ended children", () => {
    expect(parseChildrenSeconds(STAT)).toBe(7.5);
  });

  it("a status: the peak of resident memory, 0 for a process without memory", () => {
    expect(parsePeakRssBytes("Name:\tx\nVmHWM:\t   9216 kB\nVmRSS:\t 1 kB\n")).toBe(9216 * 1024);
    expect(parsePeakRssBytes("Name:\tkthread\n")).toBe(0);
  });

  it("a status: resident memory now", () => {
    expect(parseRssBytes("Name:\tx\nVmHWM:\t   9216 kB\nVmRSS:\t 1 kB\n")).toBe(1024);
    expect(parseRssBytes("Name:\tkthread\n")).toBe(0);
  });

  it("a thread: nanoseconds on a CPU", () => {
    expect(parseThreadSeconds("2500000000 12 3\n")).toBe(2.5);
  });

  it("the machine: busy is neither idle, waiting nor stolen", () => {
    const text = "cpu  100 10 200 5000 300 20 30 40 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
    expect(parseMachineStat(text)).toEqual({ busySeconds: 3.6, stealSeconds: 0.4 });
  });

  it("a disk: MiB read and written, seconds busy", () => {
    const text = "     100        0     4096       10      200        0     2048       20        0     1500       30\n";
    expect(parseDiskStat(text)).toEqual({ readMib: 2, writtenMib: 1, busySeconds: 1.5 });
  });
});
