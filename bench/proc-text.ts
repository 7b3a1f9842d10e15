/**
 * The texts of /proc and /sys that the bench reads, as numbers. Pure: whoever reads the files is sampler.ts.
 *
 *   /proc/PID/stat          PID (NAME) STATE PPID … utime stime …      NAME may hold spaces and parentheses
 *   /proc/PID/status        VmHWM:     123456 kB
 *   /proc/PID/task/T/schedstat   nanoseconds on a CPU, …
 *   /proc/stat              cpu  user nice system idle iowait irq softirq steal …
 *   /sys/dev/block/M:N/stat reads … sectors … writes … sectors … milliseconds busy
 */
import { assert } from "../src/base/assert.ts";

/** Linux has had it at 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const SECTORS_PER_MIB = 2048;

export interface ProcessTimes {
  readonly parent: number;
  /** User and system time of all threads, ended ones too. */
  readonly cpuSeconds: number;
}

export function parseProcessStat(text: string): ProcessTimes {
  // Field 3 (the state) is the first behind the name.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(fields[1]), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND };
}

/** User and system time of children that have ended and were waited for. */
export function parseChildrenSeconds(text: string): number {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** VmHWM; 0 for a process that has no memory of its own any more. */
export function parsePeakRssBytes(text: string): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(text);
  return match === null ? 0 : Number(match[1]) * 1024;
}

/** VmRSS, likewise. */
export function parseRssBytes(text: string): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(text);
  return match === null ? 0 : Number(match[1]) * 1024;
}

export function parseThreadSeconds(text: string): number {
  return Number(text.split(" ")[0]) / 1e9;
}

export interface MachineTimes {
  /** All CPUs together, without idle, I/O wait and steal. */
  readonly busySeconds: number;
  /** What the host gave to others. */
  readonly stealSeconds: number;
}

export function parseMachineStat(text: string): MachineTimes {
  const line = text.slice(0, text.indexOf("\n"));
  const [user, nice, system, , , irq, softirq, steal] = line.split(/\s+/).slice(1).map(Number);
  assert(line.startsWith("cpu "), "the first line of /proc/stat is the sum");
  return {
    busySeconds: (user + nice + system + irq + softirq) / TICKS_PER_SECOND,
    stealSeconds: steal / TICKS_PER_SECOND,
  };
}

export interface DiskTimes {
  readonly readMib: number;
  readonly writtenMib: number;
  /** Time with at least one request in flight. */
  readonly busySeconds: number;
}

export function parseDiskStat(text: string): DiskTimes {
  const fields = text.trim().split(/\s+/).map(Number);
  return {
    readMib: fields[2] / SECTORS_PER_MIB,
    writtenMib: fields[6] / SECTORS_PER_MIB,
    busySeconds: fields[9] / 1000,
  };
}
