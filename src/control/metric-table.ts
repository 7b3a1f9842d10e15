/**
 * Every metric that there is, declared once: its name, kind, labels and words, and from which figure of the statistics it comes.
 *
 *   engine/stats.ts: a member of a type ─▶ its entry here: a family, fixed labels, a factor ─▶ metrics.ts: samples
 *                                                                                            └▶ docs/METRICS.md, packaging/prometheus/alerts.yml
 *
 * Names follow Prometheus' conventions: base units (bytes, seconds), `_total` for what only rises, one name for one thing with a label for its kinds. The labels that a
 * user chooses are the names of volumes and snapshots; nothing of a client or a request is one. The type `Figures` has the compiler ask for an entry
 * for each member that is added to the statistics; a member that is no metric of its own is `ELSEWHERE`.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import type { ClientStats } from "../engine/client-limits.ts";
import type { EngineStats } from "../engine/engine.ts";
import type { ExportStats, MergeStats, SnapshotStats, VolumeStats, WorkerStats } from "../engine/stats.ts";
import type { DaemonFigures } from "./metric-sources.ts";

export interface Family {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

/** How a figure becomes samples of a family. */
export interface Entry {
  readonly family: Family;
  /** Those that do not come from whose figure it is. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What one of the figure's units is in the family's. */
  readonly factor?: number;
  /** The figure is a word: a sample for each of these, 1 where it is that one. */
  readonly states?: readonly string[];
  /** The figure is a word that becomes this label of a sample that is always 1; or a number for each word, which becomes it. */
  readonly word?: string;
}

/** It is a label, or a part that has a table of its own. */
export const ELSEWHERE = "elsewhere";

export type Figures<Stats> = { readonly [Member in keyof Stats]-?: Entry | typeof ELSEWHERE };

const OF_WORKER = ["role", "worker"] as const;
const OF_VOLUME = ["volume"] as const;
const OF_SNAPSHOT = ["volume", "snapshot"] as const;
const OF_EXPORT = ["volume", "export"] as const;

export const VOLUME_STATES = ["open", "opening", "failed", "closed"] as const;
const SNAPSHOT_STATES = ["active", "overflow", "invalid", "merging"] as const;

const counter = (name: string, help: string, labels: readonly string[] = []): Family =>
  family("counter", name, help, labels);
const gauge = (name: string, help: string, labels: readonly string[] = []): Family =>
  family("gauge", name, help, labels);

function family(kind: Family["kind"], name: string, help: string, labels: readonly string[]): Family {
  return { kind, name: `snapring_${name}`, help, labels };
}

export const DAEMON: Figures<DaemonFigures> = {
  version: { family: gauge("build_info", "Always 1; which version runs.", ["version"]), word: "version" },
  startTimeSeconds: { family: gauge("start_time_seconds", "When the daemon was started, in seconds since 1970.") },
  residentBytes: { family: gauge("resident_memory_bytes", "Memory of the process.") },
  cpuSeconds: {
    family: counter("cpu_seconds_total", "Time of processors that the process has used, in all its threads."),
  },
  droppedLogLines: {
    family: counter("log_lines_dropped_total", "Lines of the daemon's log that could not be written."),
  },
  operations: {
    family: gauge("operations", "Operations that were ordered, by their state.", ["state"]),
    word: "state",
  },
  engineRunning: {
    family: gauge(
      "engine_running",
      "1 as long as every thread lives; 0: one has died, and nothing is served any more.",
    ),
  },
};

export const ENGINE: Figures<EngineStats> = {
  volumes: ELSEWHERE,
  devices: { family: gauge("open_devices", "Devices that are open: origins and COW devices.") },
  workers: ELSEWHERE,
  clients: ELSEWHERE,
};

export const CLIENTS: Figures<ClientStats> = {
  connections: { family: gauge("client_connections", "Connections of clients that are open.") },
  handshakes: { family: gauge("client_handshakes", "Connections that are still in their handshake.") },
  accepted: { family: counter("client_accepted_total", "Connections that were let in.") },
  refused: {
    family: counter("client_refused_total", "Connections that were closed at once, because there were too many."),
  },
  handshakeTimeouts: {
    family: counter(
      "client_handshake_timeouts_total",
      "Connections that were cut off because their handshake took too long.",
    ),
  },
  transferTimeouts: {
    family: counter(
      "client_transfer_timeouts_total",
      "Connections that were cut off because they moved no data while others waited for their memory.",
    ),
  },
};

const ofWorker = (name: string, help: string): Entry => ({ family: counter(`worker_${name}_total`, help, OF_WORKER) });
const nowOfWorker = (name: string, help: string): Entry => ({ family: gauge(`worker_${name}`, help, OF_WORKER) });

export const WORKER: Figures<WorkerStats> = {
  role: ELSEWHERE,
  index: ELSEWHERE,
  kind: {
    family: gauge("worker_info", "Always 1; how the thread does its I/O: uring, poll or node.", [...OF_WORKER, "kind"]),
    word: "kind",
  },
  enters: ofWorker("kernel_calls", "Calls to the kernel to submit or to wait."),
  turns: ofWorker("turns", "Rounds of the thread's loop."),
  sleeps: ofWorker("sleeps", "Rounds that ended in sleep."),
  spins: ofWorker("spins", "Rounds of busy polling that found nothing to do."),
  submitted: ofWorker("submitted", "Operations that were given to the kernel."),
  completed: ofWorker("completed", "Operations that the kernel has ended."),
  inline: ofWorker("inline", "Operations that were done by a plain system call within a round."),
  connections: nowOfWorker("connections", "Connections that the thread serves."),
  requests: nowOfWorker("requests", "Requests that were under way when the thread last slept."),
  pieces: nowOfWorker("device_operations", "Operations on devices that were under way when the thread last slept."),
  slots: nowOfWorker("buffers", "Buffers of data that were in use when the thread last slept."),
  copies: ofWorker("copies", "Copies that have ended, each of one or more chunks that lie side by side."),
  copiedBytes: ofWorker("copied_bytes", "Bytes that were copied, once for each copy, to however many snapshots."),
  metadataJobs: ofWorker("metadata_writes", "Writes of headers and areas that have ended."),
  metadataBytes: ofWorker("metadata_written_bytes", "Bytes of headers and areas that were written."),
};

export const VOLUME_STATE: Entry = {
  family: gauge("volume_state", "1 for the state that the volume is in, 0 for the others.", [...OF_VOLUME, "state"]),
  states: VOLUME_STATES,
};

export const VOLUME: Figures<VolumeStats> = {
  snapshots: ELSEWHERE,
  exports: ELSEWHERE,
  // Of the engine, whichever volume is asked.
  workers: ELSEWHERE,
  clients: ELSEWHERE,
  merge: ELSEWHERE,
  snapshotPause: {
    family: family(
      "histogram",
      "volume_snapshot_pause_seconds",
      "Creations of snapshots by how long each held the writes of clients to the live volume.",
      OF_VOLUME,
    ),
  },
  droppedLines: {
    family: counter(
      "volume_log_lines_dropped_total",
      "Lines of the volume's log that could not be written.",
      OF_VOLUME,
    ),
  },
};

const ofSnapshot = (name: string, help: string): Entry => ({
  family: counter(`snapshot_${name}_total`, help, OF_SNAPSHOT),
});
const nowOfSnapshot = (name: string, help: string, factor = 1): Entry => ({
  family: gauge(`snapshot_${name}`, help, OF_SNAPSHOT),
  factor,
});

export const SNAPSHOT: Figures<SnapshotStats> = {
  name: ELSEWHERE,
  state: {
    family: gauge("snapshot_state", "1 for the state that the snapshot is in, 0 for the others.", [
      ...OF_SNAPSHOT,
      "state",
    ]),
    states: SNAPSHOT_STATES,
  },
  // For people; a merge that failed is in there, and nowhere else (MERGE_FAILED).
  status: {
    family: gauge(
      "snapshot_merge_failed",
      "1 where the snapshot's merge has come to a rest because of an error.",
      OF_SNAPSHOT,
    ),
    states: ["Merge failed"],
  },
  allocatedSectors: nowOfSnapshot(
    "store_used_bytes",
    "Bytes of the COW device that are used, its metadata included.",
    SECTOR_BYTES,
  ),
  totalSectors: nowOfSnapshot("store_size_bytes", "Bytes that the COW device has.", SECTOR_BYTES),
  metadataSectors: nowOfSnapshot("store_metadata_bytes", "Bytes of header and areas, among those used.", SECTOR_BYTES),
  exceptions: nowOfSnapshot("exceptions", "Chunks that the store holds."),
  pending: nowOfSnapshot("pending_chunks", "Chunks that are being copied or written down."),
  stalled: nowOfSnapshot("stalled_requests", "Requests that wait for room in the store."),
  stalls: ofSnapshot("stalls", "Times that requests had to wait until somebody made room."),
  growths: ofSnapshot("growths", "Times that the COW device has become larger."),
  copies: ofSnapshot("copied_chunks", "Chunks that were copied from the origin."),
  copiedBytes: ofSnapshot("copied_bytes", "Bytes that were copied from the origin."),
  grants: ofSnapshot("filled_chunks", "Chunks that clients' first writes filled themselves."),
  commits: ofSnapshot("commits", "Groups of exceptions that were made durable."),
  exceptionsCommitted: ofSnapshot("committed_exceptions", "Exceptions in these groups."),
  metadataBytes: ofSnapshot("metadata_written_bytes", "Bytes of metadata that were written to the COW device."),
  tableBytes: nowOfSnapshot("table_bytes", "Memory of the exception table."),
  mergeFraction: nowOfSnapshot("merge_ratio", "While it merges: from 0 to 1, how much of it is done."),
};

export const MERGE: Figures<MergeStats> = {
  snapshot: ELSEWHERE,
  percent: nowOfSnapshot(
    "merge_throttle_ratio",
    "While it merges: from 0 to 1, how much of the time it may take.",
    0.01,
  ),
  paused: nowOfSnapshot("merge_paused", "While it merges: 1 where it is held until somebody has it go on."),
};

const REQUESTS = counter("export_requests_total", "Requests of clients that have ended, by kind.", [
  ...OF_EXPORT,
  "operation",
]);
const LATENCY = family(
  "histogram",
  "export_latency_seconds",
  "Requests by the time from their arrival to their reply.",
  [...OF_EXPORT, "operation"],
);
const ofExport = (name: string, help: string): Entry => ({ family: counter(`export_${name}_total`, help, OF_EXPORT) });

export const EXPORT: Figures<ExportStats> = {
  name: ELSEWHERE,
  reads: { family: REQUESTS, labels: { operation: "read" } },
  writes: { family: REQUESTS, labels: { operation: "write" } },
  flushes: { family: REQUESTS, labels: { operation: "flush" } },
  trims: { family: REQUESTS, labels: { operation: "trim" } },
  zeroes: { family: REQUESTS, labels: { operation: "zero" } },
  others: { family: REQUESTS, labels: { operation: "other" } },
  readBytes: ofExport("read_bytes", "Bytes of data that were sent to clients."),
  writtenBytes: ofExport("written_bytes", "Bytes of data that were taken from clients."),
  trimmedBytes: ofExport("trimmed_bytes", "Bytes of trims that were handed to a device."),
  untrimmedBytes: ofExport("untrimmed_bytes", "Bytes of trims that were left as they are."),
  errors: ofExport("errors", "Requests that were answered with an error."),
  operations: ofExport(
    "device_operations",
    "Operations on devices that have ended, those of copy threads not among them.",
  ),
  readLatency: { family: LATENCY, labels: { operation: "read" } },
  writeLatency: { family: LATENCY, labels: { operation: "write" } },
  flushLatency: { family: LATENCY, labels: { operation: "flush" } },
};

/** All of them, each once, in the order in which they are told. */
export function families(): readonly Family[] {
  const tables: Readonly<Record<string, Entry | typeof ELSEWHERE>>[] = [
    ...[DAEMON, ENGINE, CLIENTS, WORKER, { VOLUME_STATE }, VOLUME, SNAPSHOT, MERGE, EXPORT],
  ];
  const entries = tables.flatMap((table) => Object.values(table)).filter((entry) => entry !== ELSEWHERE);
  return [...new Set(entries.map((entry) => entry.family))];
}
