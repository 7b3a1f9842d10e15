/**
 * The verbs of a snapshot: each may be said twice, cut in the middle, and said again.
 *
 *   create   written down (creation) ─▶ made, by the engine ─▶ told ─▶ policy written, creation forgotten
 *              └─ the daemon dies: at the next opening of the volume it is there: told, policy written; or not: its file goes, and that is told
 *   drop     an operation: header invalid, registers forget it (E-41) ─▶ its file goes, where it is a pool's ─▶ told ─▶ policy forgotten
 *   grow     an operation: the file grows, and the engine takes that over (E-45)
 *
 * Which snapshots there are says the volume, never the state.
 */
import type { CreatedSnapshot, CreateOptions, Volume, VolumeStats } from "../index.ts";
import type { Journal } from "./journal.ts";
import type { Operations, RunningOperation } from "./operations.ts";
import { Making } from "./making.ts";
import { checkSnapshotName, own, ownOr } from "./names.ts";
import type { OwnedVolume } from "./owned-volume.ts";
import { changedSpec, storeOptions } from "./policy.ts";
import { isOneFile, type Pools } from "./pools.ts";
import { Problem, problemOf } from "./problem.ts";
import { snapshotView, type SnapshotView } from "./snapshot-view.ts";
import { type Creation, policyIn, type SnapshotPolicy, type SnapshotSpec } from "./state.ts";
import type { StateFile } from "./state-file.ts";
import type { Volumes } from "./volumes.ts";

/** A write that a device does not end must not hold up all others: a creation that would is given up. */
export const PAUSE: CreateOptions = { maxPauseMs: 10_000 };

export interface SnapshotsParts {
  readonly state: StateFile;
  readonly journal: Journal;
  readonly volumes: Volumes;
  readonly pools: Pools;
  readonly operations: () => Operations;
  /** How a store grows has changed. */
  readonly changed: () => void;
  readonly log: (line: string, volume: string) => void;
}

export interface Created {
  readonly isNew: boolean;
  readonly snapshot: SnapshotView;
  /** How long clients' writes were held; undefined where it was there. */
  readonly pauseUs?: number | undefined;
}

/** What a verb would do. */
export interface DryRun {
  readonly dryRun: true;
  readonly does: string;
  readonly neededBytes?: number | undefined;
  readonly freedBytes?: number | undefined;
  readonly path?: string | undefined;
}

export class Snapshots {
  readonly #parts: SnapshotsParts;
  /** Being made, by their names: who asks again waits. */
  readonly #making = new Making();
  /** The volumes of what is being made, of a group, too: none of them is removed meanwhile. */
  readonly #underWay = new Set<readonly string[]>();

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
  }

  /** Of a volume, or of all that are open. Throws a Problem (not-found). */
  list(volume?: string): SnapshotView[] {
    const { volumes } = this.#parts;
    const asked = volume === undefined ? volumes.all : [volumes.get(volume)];
    return asked.flatMap((owned) => this.#views(owned));
  }

  /** Throws a Problem: not-found, not-open. */
  get(volume: string, name: string): SnapshotView {
    const owned = this.#parts.volumes.get(volume);
    if (!namesIn(owned.volume).includes(name)) throw noSuch(volume, name);
    return this.#view(owned, name);
  }

  /** As its user has asked for it; undefined: it does not grow, or there is none. */
  growth(volume: string, name: string): SnapshotSpec["grow"] {
    if (!namesIn(this.#parts.volumes.find(volume)?.opened).includes(name)) return undefined;
    return policyIn(this.#parts.state.now, volume, name)?.grow ?? undefined;
  }

  has(volume: string, name: string): boolean {
    return namesIn(this.#parts.volumes.get(volume).volume).includes(name);
  }

  /** The same again is the same answer. Throws a Problem: differs, bad-request, no-room, not-open, and what the engine refuses. */
  async create(volume: string, name: string, spec: SnapshotSpec): Promise<Created> {
    checkSnapshotName(name);
    const key = `${volume}@${name}`;
    await this.#making.free(key);
    const owned = this.#parts.volumes.get(volume);
    this.refuseDropped(volume, name);
    if (this.has(volume, name)) {
      await this.#finish(owned, name);
      return this.#same(owned, name, spec);
    }
    const { pauseUs } = await this.#making.make(key, () =>
      this.during([volume], () => this.#create(owned, name, spec)),
    );
    return { isNew: true, snapshot: this.#view(owned, name), pauseUs };
  }

  /** None of these volumes is removed before `make` has ended. */
  async during<T>(volumes: readonly string[], make: () => Promise<T>): Promise<T> {
    this.#underWay.add(volumes);
    try {
      return await make();
    } finally {
      this.#underWay.delete(volumes);
    }
  }

  /** A snapshot of this volume is being made just now. */
  isMaking(volume: string): boolean {
    return [...this.#underWay].some((volumes) => volumes.includes(volume));
  }

  /** What `create` would do. Throws what that would, as far as it can be known before. */
  async wouldCreate(volume: string, name: string, spec: SnapshotSpec): Promise<DryRun> {
    const owned = this.#parts.volumes.get(volume);
    if (this.has(volume, name)) {
      this.#same(owned, name, spec);
      return { dryRun: true, does: "nothing: it is there" };
    }
    const { cow, size, space } = await this.#parts.pools.look(volume, name, spec);
    return {
      dryRun: true,
      does: "makes the snapshot",
      path: cow,
      ...(space === "sparse" ? {} : { neededBytes: size }),
    };
  }

  /** At once, durable when it resolves: what every opening takes, too. Throws a Problem (bad-request: it does not fit what the snapshot is). */
  async setPolicy(volume: string, name: string, policy: SnapshotPolicy): Promise<SnapshotView> {
    const owned = this.#parts.volumes.get(volume);
    if (!this.has(volume, name)) throw noSuch(volume, name);
    const { store } = this.get(volume, name);
    // Written down first: what is looked at again meanwhile (pool-limits.ts) is the new one.
    const { grow, whenFull, stallSeconds } = await this.#parts.state.change((state) => {
      const of = ownOr(state.snapshots, volume, () => ({}));
      if (store === "N" && policy.whenFull === "overflow")
        throw new Problem("bad-request", "a snapshot with a store in memory (N) has no state in which it overflows");
      return (of[name] = changedSpec(own(of, name) ?? {}, policy));
    });
    try {
      await owned.volume.setSnapshotPolicy(name, {
        ...(grow === undefined ? {} : { grow }),
        ...(whenFull === undefined ? {} : { whenFull }),
        stallSeconds: stallSeconds ?? null,
      });
    } catch (error) {
      throw problemOf(error, `${volume}@${name}`);
    }
    this.#parts.changed();
    return this.#view(owned, name);
  }

  /** What a drop would do. Undefined: there is none. Throws a Problem: in-group, merging, not-open. */
  wouldDrop(volume: string, name: string, group?: string): DryRun | undefined {
    if (!this.has(volume, name)) return this.#wouldForget(volume, name);
    this.#refuseDrop(volume, name, group);
    const { pool, cow, sizeBytes } = this.get(volume, name);
    const isRemoved = pool !== undefined;
    return {
      dryRun: true,
      does: isRemoved
        ? "drops the snapshot, and removes its file"
        : "drops the snapshot; its COW device stays, marked invalid",
      path: cow,
      freedBytes: isRemoved ? sizeBytes : 0,
    };
  }

  /** What a growth to so many bytes would do. Throws a Problem: not-found, no-room, refused. */
  async wouldGrow(volume: string, name: string, size: number): Promise<DryRun> {
    const { sizeBytes, pool, cow } = this.get(volume, name);
    if (size < sizeBytes)
      throw new Problem("refused", `${volume}@${name} has ${sizeBytes} bytes: it cannot become smaller`);
    const neededBytes = size - sizeBytes;
    const room = await this.#parts.pools.room(pool);
    if (room !== undefined && neededBytes > room)
      throw new Problem("no-room", `pool '${pool}' has ${room} bytes left, and ${neededBytes} are needed`);
    return { dryRun: true, does: "makes the COW file larger", path: cow, neededBytes };
  }

  /** The operation "drop". */
  async runDrop({ record }: RunningOperation): Promise<Record<string, unknown> | undefined> {
    const { volumes, pools, state, journal } = this.#parts;
    const { volume: where, snapshot: name, id } = record;
    const { volume } = volumes.get(where);
    const spec = policyIn(state.now, where, name);
    const cow = record.params["cow"];
    if (namesIn(volume).includes(name)) await volume.dropSnapshot(name);
    if (typeof cow === "string") await pools.removeFile(pools.of(spec, cow), cow);
    await state.change((now) => {
      delete own(now.snapshots, where)?.[name];
    });
    if (!journal.has("snapshot-dropped", "operation", id))
      journal.add({ type: "snapshot-dropped", volume: where, snapshot: name, data: { operation: id } });
    return undefined;
  }

  /** The operation "grow". */
  async runGrow({ record }: RunningOperation): Promise<Record<string, unknown>> {
    const { volume: where, snapshot: name, params } = record;
    const { volume } = this.#parts.volumes.get(where);
    const size = params["size"];
    await volume.growSnapshot(name, typeof size === "number" ? { size } : {});
    return { sizeBytes: this.get(where, name).sizeBytes };
  }

  /** A volume is open: what had been begun there is finished, or undone. */
  async settleCreations(volume: OwnedVolume): Promise<void> {
    const { state } = this.#parts;
    const begun = state.now.creations.filter(
      ({ group, members }) => group === undefined && members[0].volume === volume.name,
    );
    for (const creation of begun) {
      if (this.#making.has(keyOf(creation))) continue;
      try {
        await this.#settle(creation, true);
      } catch (error) {
        // It stays written down, and is tried at the next opening. The others are not its business.
        this.#parts.log(
          `${creation.id} was begun before, and cannot be settled: ${(error as Error).message}`,
          volume.name,
        );
      }
    }
  }

  /** It is there, and it is what this creation was to make: another one may have its name. */
  async isMade({ volume: where, snapshot, file }: Creation["members"][number]): Promise<boolean> {
    const { volume } = this.#parts.volumes.get(where);
    if (!namesIn(volume).includes(snapshot)) return false;
    return file === undefined || (await isOneFile(file, volume.status(snapshot).cow));
  }

  /** It is the volume's, whoever has made it: what the state has to say of it from now on. */
  async made(creation: Creation, data: Readonly<Record<string, unknown>>): Promise<void> {
    const { state, journal } = this.#parts;
    const { id, members } = creation;
    if (!journal.has("snapshot-created", "creation", id))
      for (const { volume, snapshot } of members)
        journal.add({ type: "snapshot-created", volume, snapshot, data: { creation: id, ...data } });
    await journal.settled();
    await state.change((now) => {
      for (const { volume, snapshot, spec } of members) ownOr(now.snapshots, volume, () => ({}))[snapshot] = spec;
      now.creations = now.creations.filter((one) => one.id !== id);
    });
  }

  /** Nothing of it is left. */
  async undone({ id, members }: Creation, isTold: boolean): Promise<void> {
    const { state, journal, pools } = this.#parts;
    for (const { spec, file } of members) {
      if (file !== undefined) await pools.removeFile(spec.pool, file);
      if (isTold) await pools.removeUnfinished(spec.pool);
    }
    const isUntold = isTold && !journal.has("snapshot-creation-undone", "creation", id);
    if (isUntold)
      for (const { volume, snapshot } of members)
        journal.add({ type: "snapshot-creation-undone", volume, snapshot, data: { creation: id } });
    if (isTold) await journal.settled();
    await state.change((now) => {
      now.creations = now.creations.filter((one) => one.id !== id);
    });
  }

  async #settle(creation: Creation, isOfEarlier: boolean): Promise<void> {
    if (await this.isMade(creation.members[0])) await this.made(creation, isOfEarlier ? { recovered: true } : {});
    else await this.undone(creation, isOfEarlier);
  }

  async #create(owned: OwnedVolume, name: string, asked: SnapshotSpec): Promise<CreatedSnapshot> {
    const { pools } = this.#parts;
    const { volume } = owned;
    await this.#finish(owned, name);
    const place = await pools.place(owned.name, name, asked);
    try {
      const spec: SnapshotSpec = { ...asked, ...(place.pool === undefined ? {} : { pool: place.pool }) };
      const file = place.pool === undefined ? undefined : place.cow;
      const creation = await this.begin([{ volume: owned.name, snapshot: name, spec, file }]);
      let created: CreatedSnapshot;
      try {
        created = await volume.createSnapshot({ name, ...storeOptions(place, spec) }, PAUSE);
      } catch (error) {
        await this.undone(creation, false).catch(() => {});
        throw problemOf(error, `${owned.name}@${name}`);
      }
      await this.made(creation, { pauseUs: created.pauseUs });
      return created;
    } finally {
      pools.release(place);
    }
  }

  /** Written down before anything is made. */
  async begin(members: Creation["members"], group?: string): Promise<Creation> {
    const begun = new Date().toISOString();
    return await this.#parts.state.change((state) => {
      const id = `new-${state.nextOperation}`;
      state.nextOperation += 1;
      const creation: Creation = { id, members, begun, ...(group === undefined ? {} : { group }) };
      state.creations.push(creation);
      return creation;
    });
  }

  /** It was made, or has failed, and that could not be written down then. */
  async #finish(owned: OwnedVolume, name: string): Promise<void> {
    const begun = this.#parts.state.now.creations.filter(
      ({ group, members: [one] }) => group === undefined && one.volume === owned.name && one.snapshot === name,
    );
    for (const one of begun) await this.#settle(one, false);
  }

  /** What the drop has to forget yet is not the new one's. Throws a Problem (busy). */
  refuseDropped(volume: string, name: string): void {
    const drop = this.#parts
      .operations()
      .running((one) => one.kind === "drop" && one.volume === volume && one.snapshot === name);
    if (drop !== undefined)
      throw new Problem("busy", `${volume}@${name} is being dropped (${drop.id})`, { retry: "backoff" });
  }

  #same(owned: OwnedVolume, name: string, asked: SnapshotSpec): Created {
    const known = policyIn(this.#parts.state.now, owned.name, name) ?? {};
    const differing = Object.entries(asked).filter(
      ([key, value]) => JSON.stringify(known[key as keyof SnapshotSpec]) !== JSON.stringify(value),
    );
    if (differing.length > 0) {
      const what = differing.map(([key]) => key).join(", ");
      throw new Problem("differs", `there is a snapshot ${owned.name}@${name} already, and it differs in: ${what}`);
    }
    return { isNew: false, snapshot: this.#view(owned, name) };
  }

  /** The snapshot is gone (its drop has failed behind that, or its store was in memory), and is still remembered. Undefined: it is not. */
  #wouldForget(volume: string, name: string): DryRun | undefined {
    const { now } = this.#parts.state;
    // What is being made has not left anything behind.
    if (own(own(now.snapshots, volume) ?? {}, name) === undefined || this.#making.has(`${volume}@${name}`))
      return undefined;
    const drop = now.operations.findLast(
      (one) => one.kind === "drop" && one.volume === volume && one.snapshot === name && one.state !== "done",
    );
    const cow = drop?.params["cow"];
    const path = typeof cow === "string" ? cow : undefined;
    return { dryRun: true, does: "forgets the snapshot, which is gone, and removes its file", path, freedBytes: 0 };
  }

  #refuseDrop(volume: string, name: string, group: string | undefined): void {
    const { state, volumes } = this.#parts;
    for (const [other, { members }] of Object.entries(state.now.groups))
      if (other !== group && members.some((one) => one.volume === volume && one.snapshot === name))
        throw new Problem("in-group", `${volume}@${name} is a member of group '${other}'`, {
          hint: "drop the group: its members are one point in time",
        });
    if (volumes.get(volume).volume.stats().merge?.snapshot === name)
      throw new Problem("merging", `${volume}@${name} is merging`, { hint: "wait for its end, or stop it" });
  }

  /** The counters are taken once for all of them. */
  #views(owned: OwnedVolume): SnapshotView[] {
    const stats = owned.opened?.stats();
    return stats === undefined ? [] : namesIn(owned.opened).map((name) => this.#view(owned, name, stats));
  }

  #view(owned: OwnedVolume, name: string, stats: VolumeStats = owned.volume.stats()): SnapshotView {
    const { now } = this.#parts.state;
    const group = Object.entries(now.groups).find(([, { members }]) =>
      members.some((one) => one.volume === owned.name && one.snapshot === name),
    );
    const spec = policyIn(now, owned.name, name) ?? {};
    const pool = this.#parts.pools.of(spec, owned.volume.status(name).cow);
    return snapshotView(owned, name, { stats, spec, pool, group: group?.[0] });
  }
}

function namesIn(volume: Volume | undefined): string[] {
  return (volume?.exports ?? []).slice(1).map(({ name }) => name);
}

function keyOf({ members }: Creation): string {
  return `${members[0].volume}@${members[0].snapshot}`;
}

function noSuch(volume: string, name: string): Problem {
  return new Problem("not-found", `there is no snapshot ${volume}@${name}`, {
    hint: "snapring snapshot list shows them",
  });
}
