/**
 * What the kernel knows of a server, of the machine and of the disk at one moment. Two samples around a run make its cost.
 *
 * A server's CPU time is user and system time of its process and of its children, with all their threads; io_uring's kernel
 * workers are among them, the workers of the file system and the block layer are not (they are in the machine's time). The
 * client's time is that of our own ended children, so nothing else may end between two samples.
 */
import { constants, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import {
  type DiskTimes,
  type MachineTimes,
  parseChildrenSeconds,
  parseDiskStat,
  parseMachineStat,
  parsePeakRssBytes,
  parseProcessStat,
  parseThreadSeconds,
} from "./proc-text.ts";

export interface Sample {
  /** On any clock that only goes forward. */
  readonly seconds: number;
  readonly serverCpuSeconds: number;
  readonly serverPeakRssBytes: number;
  /** Time on a CPU by thread id. */
  readonly serverThreadSeconds: ReadonlyMap<string, number>;
  readonly clientCpuSeconds: number;
  readonly machine: MachineTimes;
  /** Undefined where the file system has no disk of its own (tmpfs). */
  readonly disk: DiskTimes | undefined;
}

/** `pid`: the server's, undefined if there is none; `folder`: on the file system whose disk is of interest. */
export function takeSample(pid: number | undefined, folder: string): Sample {
  const processes = pid === undefined ? [] : withDescendants(pid);
  return {
    seconds: performance.now() / 1000,
    serverCpuSeconds: sum(processes, (p) => parsed(`/proc/${p}/stat`, (text) => parseProcessStat(text).cpuSeconds)),
    serverPeakRssBytes: sum(processes, (p) => parsed(`/proc/${p}/status`, parsePeakRssBytes)),
    serverThreadSeconds: threadSeconds(processes),
    clientCpuSeconds: parsed("/proc/self/stat", parseChildrenSeconds),
    machine: parseMachineStat(readFileSync("/proc/stat", "utf8")),
    disk: diskTimes(folder),
  };
}

/** Names of files below `folder` that a process has open, and whether with O_DIRECT. */
export function openFilesBelow(pid: number, folder: string): Record<string, boolean> {
  const found: Record<string, boolean> = {};
  for (const process of withDescendants(pid)) {
    for (const { name, direct } of openFiles(process, folder)) found[name] = direct;
  }
  return found;
}

function withDescendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    const text = /^\d+$/.test(entry) ? readIfThere(`/proc/${entry}/stat`) : undefined;
    if (text === undefined) continue;
    const { parent } = parseProcessStat(text);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [pid];
  for (const process of found) found.push(...(children.get(process) ?? []));
  return found;
}

function threadSeconds(processes: readonly number[]): Map<string, number> {
  const seconds = new Map<string, number>();
  for (const process of processes) {
    for (const thread of entries(`/proc/${process}/task`)) {
      seconds.set(thread, parsed(`/proc/${process}/task/${thread}/schedstat`, parseThreadSeconds));
    }
  }
  return seconds;
}

function diskTimes(folder: string): DiskTimes | undefined {
  const { dev } = statSync(folder);
  // As glibc's major() and minor() take a device number apart.
  const major = ((dev >>> 8) & 0xfff) | (Math.floor(dev / 2 ** 32) & 0xfffff000);
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xffffff00);
  const text = readIfThere(`/sys/dev/block/${major}:${minor}/stat`);
  return text === undefined ? undefined : parseDiskStat(text);
}

function openFiles(pid: number, folder: string): { name: string; direct: boolean }[] {
  return entries(`/proc/${pid}/fd`).flatMap((fd) => {
    const info = readIfThere(`/proc/${pid}/fdinfo/${fd}`);
    const path = readLinkIfThere(`/proc/${pid}/fd/${fd}`);
    if (info === undefined || path === undefined || !path.startsWith(`${folder}/`)) return [];
    const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? "0", 8);
    return [{ name: path.slice(folder.length + 1), direct: (flags & constants.O_DIRECT) !== 0 }];
  });
}

/** A process may end while we look. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function readLinkIfThere(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function parsed(path: string, parse: (text: string) => number): number {
  const text = readIfThere(path);
  return text === undefined ? 0 : parse(text);
}

function sum(items: readonly number[], value: (item: number) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
