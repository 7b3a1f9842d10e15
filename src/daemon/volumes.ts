/**
 * The daemon's volumes: all of them opened at the start, side by side, before anybody is served; added, opened again and removed later on.
 *
 *   add     opened ─▶ written down: one that cannot be opened is not added
 *   remove  forgotten ─▶ closed: its snapshots stay registered beside the origin, and its files as they are; how they are to be treated is kept for the
 *           origin's next volume
 */
import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { Engine } from "../index.ts";
import type { Journal } from "./journal.ts";
import { Making } from "./making.ts";
import { checkVolumeName, own } from "./names.ts";
import { FULL_PERCENT, type MergePace, type OwnedState, OwnedVolume } from "./owned-volume.ts";
import { Problem, type ProblemDetails } from "./problem.ts";
import { type DaemonState, policyIn, type SnapshotSpec, type VolumeSpec } from "./state.ts";
import type { StateFile } from "./state-file.ts";

/** Origins whose policies are kept when their volumes are removed. */
const REMOVED_KEPT = 100;

/** As the API shows it. */
export interface VolumeView {
  readonly name: string;
  readonly origin: string;
  readonly state: OwnedState;
  readonly problem?: ProblemDetails | undefined;
  readonly readOnly: boolean;
  readonly trim: "keep" | "preserve";
  /** Bytes; undefined where it is not open. */
  readonly sizeBytes?: number | undefined;
  readonly snapshots: number;
  /** NBD clients of it and of its snapshots. */
  readonly clients: number;
  readonly uris: readonly string[];
}

export interface VolumesParts {
  readonly engine: Engine;
  readonly state: StateFile;
  readonly journal: Journal;
  /** Of a volume's own. */
  readonly log: (line: string, volume: string) => void;
  /** A volume is open: what was begun with it goes on. Its problems are its own. */
  readonly opened: (volume: OwnedVolume) => Promise<void>;
  /** A snapshot of it is being made just now. */
  readonly isMaking: (volume: string) => boolean;
}

export class Volumes {
  readonly #parts: VolumesParts;
  readonly #all = new Map<string, OwnedVolume>();
  /** Being added. */
  readonly #adding = new Making();
  /** Being removed. */
  readonly #removing = new Making();

  constructor(parts: VolumesParts) {
    this.#parts = parts;
    for (const [name, spec] of Object.entries(parts.state.now.volumes)) this.#all.set(name, this.#owned(name, spec));
  }

  /** Resolves when each has been opened, or has failed. */
  async openAll(): Promise<void> {
    await Promise.all([...this.#all.values()].map((volume) => this.#open(volume).catch(() => {})));
  }

  get all(): readonly OwnedVolume[] {
    return [...this.#all.values()];
  }

  list(): VolumeView[] {
    return this.all.map((volume) => this.view(volume));
  }

  find(name: string): OwnedVolume | undefined {
    return this.#all.get(name);
  }

  /** Throws a Problem (not-found). */
  get(name: string): OwnedVolume {
    const volume = this.#all.get(name);
    if (volume === undefined)
      throw new Problem("not-found", `there is no volume '${name}'`, { hint: "snapring volume list shows them" });
    return volume;
  }

  /** True: it is new. The same spec again changes nothing. Throws a Problem: differs, bad-request, and why it cannot be opened. */
  async add(name: string, given: VolumeSpec): Promise<boolean> {
    checkVolumeName(name);
    if (!given.origin.startsWith("/"))
      throw new Problem("bad-request", "the origin must be an absolute path: the daemon has a folder of its own");
    const spec = { ...given, origin: resolve(given.origin) };
    await this.#removing.free(name);
    await this.#adding.free(name);
    const there = this.#all.get(name);
    if (there !== undefined) {
      if (isSame(there.spec, spec)) return false;
      throw new Problem("differs", `there is a volume '${name}' with another origin, or other settings`);
    }
    return await this.#adding.make(name, () => this.#add(name, spec));
  }

  /** Resolves when it is open. Throws a Problem. */
  async open(name: string, how: { readonly invalidateMissing?: boolean | undefined }): Promise<void> {
    await this.#open(this.get(name), how);
  }

  /**
   * False: there is none. `force`: also one that cannot be opened and has snapshots in groups, or operations: the groups go on without them, the operations are cancelled.
   * Throws a Problem: in-group, busy, device-hangs; refused (`force`, of one that is open).
   */
  async remove(name: string, { force = false }: { readonly force?: boolean | undefined } = {}): Promise<boolean> {
    await this.#removing.free(name);
    const volume = this.#all.get(name);
    if (volume === undefined) return false;
    if (force) await this.#abandon(volume);
    this.#refuseRemoval(name);
    await this.#removing.make(name, () => this.#remove(volume));
    return true;
  }

  /** Nothing of the daemon's holds on to it any more. */
  async #abandon({ name, state: is }: OwnedVolume): Promise<void> {
    if (is !== "failed" && is !== "closed")
      throw new Problem("refused", `volume '${name}' is ${is}: force is for one that cannot be opened`, {
        hint: "drop its groups, and wait for its operations",
      });
    const { details } = new Problem("cancelled", "its volume was removed, and could not be opened");
    await this.#parts.state.change((now) => {
      for (const [group, { members, ...rest }] of Object.entries(now.groups)) {
        const left = members.filter((member) => member.volume !== name);
        if (left.length === 0) delete now.groups[group];
        else if (left.length < members.length) now.groups[group] = { ...rest, members: left };
      }
      for (const one of now.operations)
        if (one.volume === name && one.state === "running")
          Object.assign(one, { state: "cancelled", ended: new Date().toISOString(), problem: { ...details } });
    });
  }

  /** Throws a Problem: in-group, busy. */
  #refuseRemoval(name: string): void {
    const { state, isMaking } = this.#parts;
    const { groups, operations } = state.now;
    for (const [group, { members }] of Object.entries(groups))
      if (members.some((member) => member.volume === name))
        throw new Problem("in-group", `volume '${name}' has a snapshot in group '${group}'`, {
          hint: "drop the group first (or, of a volume that cannot be opened: --force)",
        });
    const busy = operations.find((one) => one.volume === name && one.state === "running");
    if (busy !== undefined)
      throw new Problem("busy", `operation ${busy.id} (${busy.kind}) of volume '${name}' is under way`, {
        hint: "wait for it, or cancel it",
      });
    if (isMaking(name)) throw new Problem("busy", `a snapshot of volume '${name}' is being made`, { retry: "backoff" });
  }

  async #remove(volume: OwnedVolume): Promise<void> {
    const { state, journal } = this.#parts;
    const { name } = volume;
    volume.isLeaving = true;
    try {
      // First: one that cannot be forgotten goes on being served.
      await state.change((now) => {
        keepPolicies(now, volume.spec.origin, own(now.snapshots, name) ?? {});
        delete now.volumes[name];
        delete now.snapshots[name];
      });
    } catch (error) {
      volume.isLeaving = false;
      throw error;
    }
    await volume.close();
    this.#all.delete(name);
    journal.add({ type: "volume-removed", volume: name });
  }

  /** All at a time. Resolves when each is closed, or waits for its device. */
  async close(signal?: AbortSignal): Promise<void> {
    await Promise.allSettled(this.all.map((volume) => volume.close(signal)));
  }

  view(volume: OwnedVolume): VolumeView {
    const { name, spec, state, problem, opened } = volume;
    const exports = opened?.exports ?? [];
    return {
      name,
      origin: spec.origin,
      state,
      ...(problem === undefined ? {} : { problem }),
      readOnly: spec.readOnly ?? false,
      trim: spec.trim ?? "keep",
      ...(exports.length === 0 ? {} : { sizeBytes: exports[0].sizeBytes }),
      snapshots: Math.max(0, exports.length - 1),
      clients: opened?.clients.length ?? 0,
      uris: this.#parts.engine.uris(name),
    };
  }

  async #add(name: string, spec: VolumeSpec): Promise<boolean> {
    const { state, journal } = this.#parts;
    await this.#refuseTwice(spec.origin);
    const volume = this.#owned(name, spec);
    volume.isTold = false;
    await volume.open();
    try {
      await state.change((now) => {
        now.volumes[name] = spec;
        const kept = policiesOf(now, spec.origin);
        const there = volume.volume.exports.map((one) => one.name).filter((one) => own(kept, one) !== undefined);
        if (there.length > 0) now.snapshots[name] = Object.fromEntries(there.map((one) => [one, kept[one]!]));
        now.removed = now.removed.filter(({ origin }) => origin !== spec.origin);
      });
    } catch (error) {
      await volume.close();
      throw error;
    }
    this.#all.set(name, volume);
    volume.isTold = true;
    journal.add({ type: "volume-added", volume: name, data: { origin: spec.origin } });
    journal.add({ type: "volume-open", volume: name });
    await this.#parts.opened(volume);
    return true;
  }

  /** By its name: what stands in other words for the same device is the engine's to find. */
  async #refuseTwice(origin: string): Promise<void> {
    const real = (path: string): Promise<string> => realpath(path).catch(() => path);
    const asked = await real(origin);
    for (const { name, spec } of this.all)
      if ((await real(spec.origin)) === asked)
        throw new Problem("busy", `volume '${name}' has ${origin} already`, { hint: "an origin is one volume's" });
  }

  async #open(volume: OwnedVolume, how: { readonly invalidateMissing?: boolean | undefined } = {}): Promise<void> {
    await volume.open(how);
    await this.#parts.opened(volume);
  }

  #owned(name: string, spec: VolumeSpec): OwnedVolume {
    const { engine, state, journal, log } = this.#parts;
    return new OwnedVolume(name, spec, {
      ...{ engine, journal },
      log: (line) => log(line, name),
      pace: () => paceOf(name, state.now),
      policy: (snapshot) =>
        policyIn(state.now, name, snapshot) ??
        // It is being added.
        (own(state.now.volumes, name) === undefined ? own(policiesOf(state.now, spec.origin), snapshot) : undefined),
    });
  }
}

function policiesOf({ removed }: DaemonState, origin: string): Record<string, SnapshotSpec> {
  return removed.find((one) => one.origin === origin)?.snapshots ?? {};
}

function keepPolicies(state: DaemonState, origin: string, snapshots: Record<string, SnapshotSpec>): void {
  const others = state.removed.filter((one) => one.origin !== origin);
  const kept = Object.keys(snapshots).length === 0 ? others : [...others, { origin, snapshots }];
  state.removed = kept.slice(-REMOVED_KEPT);
}

function paceOf(volume: string, { operations }: DaemonState): MergePace {
  const merge = operations.find((one) => one.kind === "merge" && one.volume === volume && one.state === "running");
  const throttle = merge?.params["throttle"];
  return {
    percent: typeof throttle === "number" ? throttle : FULL_PERCENT,
    // What has not been noted as begun takes no step before it is (merges.ts).
    paused: merge?.params["paused"] === true || (merge !== undefined && merge.params["presented"] !== true),
  };
}

function isSame(a: VolumeSpec, b: VolumeSpec): boolean {
  const settings = ({ origin, readOnly = false, trim = "keep", direct }: VolumeSpec): string =>
    JSON.stringify([origin, readOnly, trim, direct ?? null]);
  return settings(a) === settings(b);
}
