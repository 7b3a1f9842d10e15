/**
 * The daemon: owns volumes for years. It puts its parts together, and holds the order in which they begin and end.
 *
 *   begin   state (one daemon has it) ─▶ journal ─▶ engine: its addresses are bound, clients wait ─▶ the control socket may answer
 *           ─▶ every volume is opened, side by side ─▶ what was begun and cut: finished or undone ─▶ clients are served: ready
 *   end     no new operation ─▶ volumes close (clients drain, everything is flushed) ─▶ engine ─▶ journal ─▶ state
 *
 *   verbs   volumes.ts  snapshots.ts  groups.ts  merges.ts  pools.ts      what takes long: operations.ts      what happened: journal.ts
 *
 * It has no rule of its own about exceptions, and makes no call that waits on main. It speaks no protocol: src/control does, and a program may use it as it is.
 */
import { type Engine, type EngineOptions, openEngine } from "../index.ts";
import { Groups } from "./groups.ts";
import { Journal } from "./journal.ts";
import { VolumeMerges } from "./merges.ts";
import { Operations } from "./operations.ts";
import type { OwnedVolume } from "./owned-volume.ts";
import { PoolLimits } from "./pool-limits.ts";
import { Pools } from "./pools.ts";
import { Snapshots } from "./snapshots.ts";
import { StateFile } from "./state-file.ts";
import { Volumes } from "./volumes.ts";

/** A volume whose device hangs keeps clients of the others waiting for so long at the start. */
const ADMIT_MS = 30_000;

export interface DaemonOptions extends Omit<EngineOptions, "hold" | "log"> {
  /** Gets one line at a time, about a volume or about all. */
  readonly log?: ((line: string, volume?: string) => void) | undefined;
  /** Folder of its state: made where it is not there. */
  readonly state: string;
}

export type DaemonPhase = "starting" | "ready" | "stopping";

/** Of the daemon as a whole. */
export interface DaemonStatus {
  readonly version: string;
  readonly pid: number;
  readonly started: string;
  readonly phase: DaemonPhase;
  readonly volumes: Readonly<Record<string, number>>;
  readonly operations: number;
  readonly lastEventId: number;
  /** Why events cannot be written down just now. */
  readonly journalFault?: string | undefined;
}

export interface DaemonParts {
  readonly engine: Engine;
  readonly state: StateFile;
  readonly journal: Journal;
  readonly version: string;
  readonly log: (line: string, volume?: string) => void;
}

/** Resolves when its addresses are bound and its state is read; `ready` follows. Rejects with a SnapringError, or an OptionError. */
export async function openDaemon(options: DaemonOptions, version: string): Promise<Daemon> {
  const { state: folder, log = () => {}, ...rest } = options;
  const state = await StateFile.open(folder);
  let journal: Journal | undefined;
  try {
    journal = await Journal.open(folder);
    const engine = await openEngine({ ...rest, log: (line) => log(line), hold: true });
    return new Daemon({ engine, state, journal, version, log });
  } catch (error) {
    await journal?.close();
    await state.close();
    throw error;
  }
}

export class Daemon {
  readonly engine: Engine;
  readonly journal: Journal;
  readonly volumes: Volumes;
  readonly snapshots: Snapshots;
  readonly groups: Groups;
  readonly merges: VolumeMerges;
  readonly pools: Pools;
  readonly operations: Operations;
  readonly #limits: PoolLimits;
  readonly #parts: DaemonParts;
  readonly #started = new Date().toISOString();
  #phase: DaemonPhase = "starting";
  #beginning: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** Use `openDaemon`. */
  constructor(parts: DaemonParts) {
    const { engine, state, journal, log } = parts;
    this.#parts = parts;
    this.engine = engine;
    this.journal = journal;
    this.pools = new Pools(state, journal);
    const operations = (): Operations => this.operations;
    this.volumes = new Volumes({
      ...{ engine, state, journal, log },
      opened: (volume) => this.#opened(volume),
      isMaking: (volume) => this.snapshots.isMaking(volume),
    });
    const { volumes, pools } = this;
    this.snapshots = new Snapshots({
      state,
      journal,
      volumes,
      pools,
      operations,
      changed: () => this.#limits.look(),
      log,
    });
    this.merges = new VolumeMerges({ state, volumes, operations });
    this.groups = new Groups({ engine, state, journal, volumes, pools, snapshots: this.snapshots, operations, log });
    const { snapshots } = this;
    this.#limits = new PoolLimits({ journal, volumes, snapshots, pools, log });
    this.operations = new Operations(state, journal, {
      drop: (operation) => this.snapshots.runDrop(operation),
      grow: (operation) => this.snapshots.runGrow(operation),
      merge: (operation) => this.merges.run(operation),
    });
  }

  /** Resolves when every volume has been opened or has failed, and clients are served. Rejects with a SnapringError (EMFILE): nobody could be. */
  begin(): Promise<void> {
    this.#beginning ??= this.#begin();
    return this.#beginning;
  }

  status(): DaemonStatus {
    const volumes: Record<string, number> = {};
    for (const { state } of this.volumes.all) volumes[state] = (volumes[state] ?? 0) + 1;
    const { fault, lastId } = this.journal;
    return {
      version: this.#parts.version,
      pid: process.pid,
      started: this.#started,
      phase: this.#phase,
      volumes,
      operations: this.operations.list().filter(({ state }) => state === "running").length,
      lastEventId: lastId,
      ...(fault === undefined ? {} : { journalFault: fault.message }),
    };
  }

  /** In good order. `signal`: clients have no more time. Rejects with a SnapringError (ETIMEDOUT) where a device does not answer. */
  close(signal?: AbortSignal): Promise<void> {
    this.#closing ??= this.#close(signal);
    return this.#closing;
  }

  async #begin(): Promise<void> {
    this.journal.add({ type: "daemon-started", data: { version: this.#parts.version, pid: process.pid } });
    this.operations.tellMissed();
    this.pools.begin();
    const opened = this.volumes.openAll();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, ADMIT_MS);
    });
    await Promise.race([opened, late]);
    clearTimeout(timer);
    if (this.#closing !== undefined) return;
    this.engine.admit();
    this.#phase = "ready";
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    this.#phase = "stopping";
    const { engine, state, journal } = this.#parts;
    journal.add({ type: "daemon-stopping" });
    this.operations.stopping();
    try {
      await this.#limits.close();
      await this.volumes.close(signal);
      await engine.close(signal === undefined ? {} : { signal });
      await this.operations.close();
    } finally {
      await journal.close().catch(() => {});
      await state.close();
    }
  }

  async #opened(volume: OwnedVolume): Promise<void> {
    await this.snapshots.settleCreations(volume);
    await this.groups.settle();
    try {
      await this.merges.adopt(volume.name);
    } catch (error) {
      this.#parts.log(`its merge is no operation: ${(error as Error).message}`, volume.name);
    }
    this.operations.resume(volume.name);
  }
}
