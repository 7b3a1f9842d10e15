/**
 * A volume's options as the engine has them: checked (option-schema.ts), with a default for each that was left out, and what follows from
 * several of them.
 *
 *   what the program gave ──▶ checked ──▶ + DEFAULTS ──▶ + mode, reserves, originReadOnly, log
 *
 * A new option has its words in volume-options.ts, its bounds in option-schema.ts and its default here: the type of each makes sure that
 * none of the three is forgotten.
 */
import { availableParallelism } from "node:os";
import { GROUP_COUNT_MAX, GROUP_WAIT_MS } from "../base/constants.ts";
import type { RingMode } from "../ring/worker-data.ts";
import { type CheckedOptions, checkVolumeOptions } from "./option-schema.ts";
import { SafeLog } from "./safe-log.ts";

/** All of them are there. */
type Complete<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

type Defaults = Complete<Omit<CheckedOptions, "origin" | "workers" | "log">>;

export interface CompleteOptions extends Defaults {
  readonly origin: string;
  readonly workers: number;
  /** Of `io`. */
  readonly mode: RingMode;
  /** Never throws. */
  readonly log: (line: string) => void;
  /** Lines that `log` could not write. */
  readonly droppedLines: () => number;
}

const DEFAULT_WORKERS_MAX = 4;

const DEFAULTS: Defaults = {
  snapshots: [],
  listen: [],
  direct: "auto",
  io: "auto",
  readOnly: false,
  originReadOnly: false,
  copyWorkers: 1,
  early: true,
  fills: true,
  reserves: true,
  mergeBatches: true,
  mergePercent: 100,
  groupWaitMs: GROUP_WAIT_MS,
  groupCount: GROUP_COUNT_MAX,
  busyPoll: 0,
  noMerge: false,
  abandon: [],
  moved: false,
  unregistered: false,
  unlocked: false,
};

/** Throws an OptionError that names the option. */
export function completeOptions(given: unknown): CompleteOptions {
  const { origin, workers, log, ...said } = checkVolumeOptions(given);
  const options = { ...DEFAULTS, ...withoutUndefined(said) };
  const safe = new SafeLog(log ?? (() => {}));
  return {
    ...options,
    origin,
    workers: workers ?? Math.min(DEFAULT_WORKERS_MAX, availableParallelism()),
    mode: options.io === "sync" ? "poll" : options.io,
    // A read-only volume writes neither.
    originReadOnly: options.readOnly || options.originReadOnly,
    // Who fills no chunk has no use for one in reserve.
    reserves: options.reserves && options.fills,
    log: safe.write,
    droppedLines: () => safe.dropped,
  };
}

/** What was left out may have been said to be undefined, too. */
function withoutUndefined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
