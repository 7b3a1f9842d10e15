/**
 * The cost of a run: the difference of two samples, per I/O and per second. Pure.
 *
 * CPU time is taken from sample to sample, a little longer than fio's own clock runs: its start is in it for the client, hardly
 * anything for a server that sleeps when it has nothing to do.
 */
import type { FioResult } from "./fio-result.ts";
import type { RunCost } from "./run-record.ts";
import type { Sample } from "./sampler.ts";
import { MIB } from "./workload.ts";

const THREAD_FULL = 0.85;
const MACHINE_FULL = 0.9;
const MACHINE_IDLE = 0.6;
const DISK_FULL = 0.6;

/** `cpuCount`: of the machine. */
export function runCost(before: Sample, after: Sample, fio: FioResult, server: boolean, cpuCount: number): RunCost {
  const elapsed = after.seconds - before.seconds;
  const serverSeconds = after.serverCpuSeconds - before.serverCpuSeconds;
  const clientSeconds = after.clientCpuSeconds - before.clientCpuSeconds;
  const busySeconds = after.machine.busySeconds - before.machine.busySeconds;
  const cost = {
    clientCpuUs: (clientSeconds * 1e6) / fio.ios,
    busyCpus: Math.min(cpuCount, busySeconds / fio.seconds),
    foreignCpus: (busySeconds - serverSeconds - clientSeconds) / elapsed,
    stealCpus: (after.machine.stealSeconds - before.machine.stealSeconds) / elapsed,
    ...(server
      ? {
          serverCpuUs: (serverSeconds * 1e6) / fio.ios,
          peakRssMib: after.serverPeakRssBytes / MIB,
          serverCpus: serverSeconds / fio.seconds,
          topThreadCpus: topThreadSeconds(before, after) / fio.seconds,
        }
      : {}),
    ...diskCost(before, after, elapsed, fio.seconds),
  };
  return { ...cost, limit: limitOf(cost, cpuCount) };
}

function topThreadSeconds(before: Sample, after: Sample): number {
  let top = 0;
  for (const [thread, seconds] of after.serverThreadSeconds) {
    top = Math.max(top, seconds - (before.serverThreadSeconds.get(thread) ?? 0));
  }
  return top;
}

function diskCost(before: Sample, after: Sample, elapsed: number, seconds: number): Partial<RunCost> {
  if (before.disk === undefined || after.disk === undefined) return {};
  return {
    diskReadMibPerSecond: (after.disk.readMib - before.disk.readMib) / seconds,
    diskWriteMibPerSecond: (after.disk.writtenMib - before.disk.writtenMib) / seconds,
    diskBusy: (after.disk.busySeconds - before.disk.busySeconds) / elapsed,
  };
}

/** A guess for the reader, not a measurement. */
function limitOf(cost: Omit<RunCost, "limit">, cpuCount: number): string {
  if ((cost.topThreadCpus ?? 0) > THREAD_FULL) return "one server thread";
  if (cost.busyCpus > MACHINE_FULL * cpuCount) return "all CPUs";
  const diskFull = (cost.diskBusy ?? 0) > DISK_FULL;
  if (cost.busyCpus < MACHINE_IDLE * cpuCount) return diskFull ? "disk" : "latency";
  return diskFull ? "CPUs and disk" : "CPUs and latency";
}
