/**
 * The results of one bench of one setting: the JSON file that everything else is made from.
 *
 * It is written again after every run, beside and renamed, so that an interrupted bench can go on where it was.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Machine } from "./machine.ts";
import type { RunRecord } from "./run-record.ts";
import type { SettingName } from "./setting.ts";
import type { Extent } from "./workload.ts";

export interface BenchResult {
  readonly version: 1;
  /** Of the begin, YYYY-MM-DD. */
  readonly date: string;
  readonly setting: SettingName;
  readonly direct: boolean;
  readonly rounds: number;
  readonly extent: Extent;
  readonly machine: Machine;
  readonly servers: readonly { readonly name: string; readonly role: string; readonly text: string }[];
  readonly workloads: readonly string[];
  readonly records: readonly RunRecord[];
}

export function writeResult(path: string, result: BenchResult): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(result, undefined, 1)}\n`);
  renameSync(`${path}.new`, path);
}

/** Undefined if there is none; throws an Error for a file of another kind. */
export function readResult(path: string): BenchResult | undefined {
  if (!existsSync(path)) return undefined;
  const result = JSON.parse(readFileSync(path, "utf8")) as BenchResult;
  if (result.version !== 1) throw new Error(`${path} is not a result that this bench can read`);
  return result;
}

/** Why `old` cannot be gone on with as `fresh`; undefined if it can. */
export function difference(old: BenchResult, fresh: BenchResult): string | undefined {
  if (old.setting !== fresh.setting || old.direct !== fresh.direct) return "the setting is another";
  if (JSON.stringify(old.extent) !== JSON.stringify(fresh.extent)) return "sizes or times are others";
  return undefined;
}

/** `fresh` with what was measured in `old`; servers and workloads of both. Failed runs are done again. */
export function resumed(old: BenchResult, fresh: BenchResult): BenchResult {
  const names = new Set(fresh.servers.map((s) => s.name));
  return {
    ...fresh,
    date: old.date,
    rounds: Math.max(old.rounds, fresh.rounds),
    servers: [...fresh.servers, ...old.servers.filter((s) => !names.has(s.name))],
    workloads: [...new Set([...old.workloads, ...fresh.workloads])],
    records: old.records.filter((record) => record.outcome !== "failed"),
  };
}
