/**
 * What metrics are made from: plain figures, taken when somebody asks. Nothing is counted for them.
 */
import type { EngineStats } from "../engine/engine.ts";
import type { VolumeStats } from "../engine/stats.ts";

/** Of the daemon itself. */
export interface DaemonFigures {
  readonly version: string;
  /** Since 1970. */
  readonly startTimeSeconds: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly droppedLogLines: number;
  /** How many there are, by their state. */
  readonly operations: Readonly<Record<string, number>>;
  /** 1; 0: a thread of the engine has died. */
  readonly engineRunning: number;
}

export interface VolumeSource {
  readonly name: string;
  readonly state: "open" | "opening" | "failed" | "closed";
  /** Of one that is open. */
  readonly stats?: VolumeStats | undefined;
}

export interface MetricSources {
  readonly daemon: DaemonFigures;
  readonly engine: EngineStats;
  readonly volumes: readonly VolumeSource[];
}

/** What node knows of this process, of these figures. */
export function processFigures(): Pick<DaemonFigures, "startTimeSeconds" | "residentBytes" | "cpuSeconds"> {
  const { user, system } = process.cpuUsage();
  return {
    startTimeSeconds: Math.round(performance.timeOrigin) / 1000,
    residentBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
  };
}
