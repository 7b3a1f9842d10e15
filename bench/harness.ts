/**
 * Runs the turns of a schedule one after the other and tells of each.
 *
 * A server that is not installed is left out, aloud; so is everything after an interrupt. The caller gets each record as soon as there
 * is one, and can keep it.
 */
import { type Cell, runCell } from "./cell.ts";
import { isInstalled } from "./child.ts";
import type { Place } from "./place.ts";
import { DISTURBED_CPUS, disturbance, type RunRecord } from "./run-record.ts";
import type { Turn } from "./schedule.ts";
import type { ServerKind } from "./server-kind.ts";
import type { Extent } from "./workload.ts";

export interface HarnessOptions {
  readonly place: Place;
  readonly extent: Extent;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  readonly keep: (record: RunRecord) => void;
}

export async function runTurns(turns: readonly Turn[], options: HarnessOptions): Promise<void> {
  const { extent, keep, place, say, signal } = options;
  const begin = performance.now();
  for (const [i, turn] of turns.entries()) {
    if (signal.aborted) return;
    const cell: Cell = { ...turn, extent, place, signal };
    const record = await runCell(cell);
    if (signal.aborted) return;
    keep(record);
    const seconds = Math.round((performance.now() - begin) / 1000);
    say(`[${i + 1}/${turns.length} ${seconds}s] ${describe(record)}`);
  }
}

/** Those whose program is there; `say` hears of the others. */
export async function installedServers(
  servers: readonly ServerKind[],
  say: (line: string) => void,
): Promise<ServerKind[]> {
  const installed: ServerKind[] = [];
  for (const server of servers) {
    if (await isInstalled(server.program)) installed.push(server);
    else say(`leaving out ${server.name}: ${server.program} is not installed`);
  }
  return installed;
}

function describe(record: RunRecord): string {
  const name = `${record.workload.padEnd(30)} ${record.server.padEnd(23)}`;
  if (record.outcome !== "measured") return `${name} ${record.outcome}: ${record.why.replace(/\s*\n\s*/g, " ")}`;
  const cpu = record.serverCpuUs === undefined ? "" : `  ${record.serverCpuUs.toFixed(1)} µs CPU per I/O`;
  const disturbed = disturbance(record) > DISTURBED_CPUS ? "  (disturbed)" : "";
  return `${name} ${record.iops.toFixed(0).padStart(7)} IOPS  p99 ${record.p99Us.toFixed(0)} µs${cpu}${disturbed}`;
}
