/**
 * What a profiled server has to do: random reads of a snapshot, first touches of the snapshot and of the live volume; then it is
 * told to end. What every profiler is given, and what it does with it, is named here, too.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { run } from "./child.ts";
import { fioArguments } from "./fio-job.ts";
import { type Extent, MIB } from "./workload.ts";
import { workloadNamed } from "./workloads.ts";
import { writeList } from "./write-list.ts";

export interface ProfiledRun {
  /** The server's script and its arguments, for node. */
  readonly program: readonly string[];
  /** Folder for what is left for people. */
  readonly output: string;
  /** Waits until the process serves, drives it, and tells it to end. */
  readonly drive: (pid: number) => Promise<void>;
}

const EXTENT: Extent = { originBytes: 512 * MIB, seconds: 5, warmUpSeconds: 0, scale: 0.25 };
const WORKLOADS = ["read-unmapped-4k-qd32", "cow-first-4k-qd32", "origin-write-cow-4k-qd32"];
const READY_MS = 30_000;
const POLL_MS = 50;

export async function driveServer(pid: number, socket: string, folder: string): Promise<void> {
  try {
    for (const end = performance.now() + READY_MS; !existsSync(socket); await delay(POLL_MS)) {
      if (performance.now() > end) throw new Error("the server does not listen");
    }
    await run(["nbdinfo", "--size", `nbd+unix:///?socket=${socket}`]);
    for (const name of WORKLOADS) await drive(name, socket, join(folder, "list"));
  } finally {
    process.kill(pid, "SIGTERM");
  }
}

async function drive(name: string, socket: string, listPath: string): Promise<void> {
  const workload = workloadNamed(name);
  const uri = `nbd+unix:///${workload.side === "origin" ? "origin" : "snap"}?socket=${socket}`;
  if (workload.load.kind === "list") writeFileSync(listPath, writeList(workload.load, "measured", EXTENT, "nbd"));
  const target = { kind: "nbd", uri } as const;
  const job = { workload, phase: "measured", targets: [target], extent: EXTENT, round: 0, listPath } as const;
  await run(["fio", ...fioArguments(job)], { seconds: 300 });
}

/** Runs node with these arguments to the end of the drive; throws an Error where the server did not end well. */
export async function runProfiled(args: readonly string[], profiled: ProfiledRun): Promise<void> {
  const child = spawn(process.execPath, [...args, ...profiled.program], { stdio: ["ignore", "ignore", "inherit"] });
  const closed = endOf(child);
  const [code] = await Promise.all([closed, profiled.drive(child.pid ?? -1)]);
  if (code !== 0) throw new Error(`the server ended with ${code}`);
}

function endOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? signal ?? "nothing"));
  });
}
