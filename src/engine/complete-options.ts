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
import { type CheckedOptions, checkEngineOptions, checkEngineVolume, checkVolumeOptions } from "./option-schema.ts";
import type { SocketAccess } from "./listener.ts";
import { SafeLog } from "./safe-log.ts";

/** All of them are there. */
type Complete<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

type Defaults = Complete<Omit<CheckedOptions, "origin" | "workers" | "log" | keyof SocketAccess>>;

export interface CompleteOptions extends Defaults, SocketAccess {
  readonly origin: string;
  readonly workers: number;
  /** Of `io`. */
  readonly mode: RingMode;
  /** Never throws. */
  readonly log: (line: string) => void;
  /** Lines that `log` could not write. */
  readonly droppedLines: () => number;
}

/** Of an engine. */
export interface CompleteEngine
  extends SocketAccess,
    Pick<CompleteOptions, "listen" | "io" | "mode" | "workers" | "copyWorkers" | "busyPoll"> {
  readonly hold: boolean;
  /** Never throws. */
  readonly log: (line: string) => void;
}

export interface NamedVolume {
  readonly name: string;
  readonly options: CompleteOptions;
}

const DEFAULT_WORKERS_MAX = 4;

const DEFAULTS: Defaults = {
  snapshots: [],
  listen: [],
  direct: "auto",
  io: "auto",
  readOnly: false,
  originReadOnly: false,
  trim: "keep",
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
  registered: false,
  abandonMissing: false,
  moved: false,
  unregistered: false,
  unlocked: false,
};

/** Of `openVolume`. Throws an OptionError that names the option. */
export function completeOptions(given: unknown): CompleteOptions {
  return completed(checkVolumeOptions(given));
}

/** Of a volume of an engine, whose threads are not its own. Throws an OptionError that names the option. */
export function completeEngineVolume(
  given: unknown,
  { io, workers, copyWorkers, busyPoll }: CompleteEngine,
): NamedVolume {
  const { name, ...said } = checkEngineVolume(given);
  return { name, options: completed({ ...said, io, workers, copyWorkers, busyPoll }) };
}

/** Throws an OptionError that names the option. */
export function completeEngine(given: unknown): CompleteEngine {
  const { workers, hold = false, log, socketMode, socketGroup, ...said } = checkEngineOptions(given);
  const { listen, io, copyWorkers, busyPoll } = { ...DEFAULTS, ...withoutUndefined(said) };
  const mode = modeOf(io);
  return {
    listen,
    socketMode,
    socketGroup,
    hold,
    io,
    mode,
    copyWorkers,
    busyPoll,
    workers: workers ?? defaultWorkers(),
    log: new SafeLog(log ?? (() => {})).write,
  };
}

function completed(checked: CheckedOptions): CompleteOptions {
  const { origin, workers, log, ...said } = checked;
  const options = { ...DEFAULTS, ...withoutUndefined(said) };
  const safe = new SafeLog(log ?? (() => {}));
  return {
    ...options,
    origin,
    workers: workers ?? defaultWorkers(),
    mode: modeOf(options.io),
    // A read-only volume writes neither.
    originReadOnly: options.readOnly || options.originReadOnly,
    // Who fills no chunk has no use for one in reserve.
    reserves: options.reserves && options.fills,
    log: safe.write,
    droppedLines: () => safe.dropped,
  };
}

function defaultWorkers(): number {
  return Math.min(DEFAULT_WORKERS_MAX, availableParallelism());
}

function modeOf(io: Defaults["io"]): RingMode {
  return io === "sync" ? "poll" : io;
}

/** What was left out may have been said to be undefined, too. */
function withoutUndefined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
