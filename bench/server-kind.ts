/**
 * A server under measurement: how it is prepared and started, what its exports are called, and which workloads make sense on it.
 *
 *   ours      snapring
 *   peer      keeps a snapshot, too
 *   ceiling   the same storage without a snapshot
 *   floor     no server at all: fio on the origin file, the bound of storage and client
 */
import type { Place } from "./place.ts";
import type { SettingName } from "./setting.ts";
import type { Workload } from "./workload.ts";
import { matchesAny } from "./glob.ts";

export interface ServerKind {
  readonly name: string;
  readonly role: "ours" | "peer" | "ceiling" | "floor";
  readonly text: string;
  /** What has to be installed. */
  readonly program: string;
  readonly settings: readonly SettingName[];
  /** Patterns of workloads; undefined: all that make sense. */
  readonly only?: readonly string[] | undefined;
  /** Of how many volumes, each with a snapshot and an origin. */
  readonly volumes: number;
  /** Name of the export of the snapshot (of the only one, where there is no snapshot). */
  readonly snapshotExport: string;
  readonly snapshotWritable: boolean;
  /** Undefined: the live volume is not served beside the snapshot. */
  readonly originExport: string | undefined;
  /** Of volume `i` of several, where names and sockets are others. */
  readonly exportOf?: ((place: Place, side: Workload["side"], i: number) => ExportPlace) | undefined;
  /** Runs before each start, when no COW file is there. */
  readonly prepare: (place: Place) => Promise<void>;
  /** Command line of `program`; the server stays in the foreground and ends on SIGTERM. Empty for a floor. */
  readonly command: (place: Place, program: string) => readonly string[];
}

export interface ExportPlace {
  readonly name: string;
  readonly socket: string;
}

/** Can this server run that workload, and would the figure mean something? */
export function suits(server: ServerKind, workload: Workload): boolean {
  if (server.volumes !== workload.volumes) return false;
  if (server.only !== undefined && !matchesAny(workload.name, server.only)) return false;
  if (workload.side === "origin") return server.originExport !== undefined;
  return server.snapshotWritable || (!workload.writes && !workload.mapped);
}

/** The exports that the workload goes to: one of each volume. */
export function exportsFor(server: ServerKind, workload: Workload, place: Place): ExportPlace[] {
  const { exportOf, originExport, snapshotExport } = server;
  const { side } = workload;
  if (exportOf !== undefined) return Array.from({ length: workload.volumes }, (_, i) => exportOf(place, side, i));
  return [{ name: side === "origin" ? (originExport ?? "") : snapshotExport, socket: place.socket }];
}

export function uriOf({ name, socket }: ExportPlace): string {
  return `nbd+unix:///${name}?socket=${socket}`;
}

/** Whether the region has to be filled beforehand: without a snapshot there is nothing to fill. */
export function needsPrefill(server: ServerKind, workload: Workload): boolean {
  return workload.mapped && (server.role === "ours" || server.role === "peer");
}
