/**
 * Groups: snapshots of several volumes that are one point in time, and one object. Made whole or not at all, dropped whole; no member goes alone.
 *
 *   create  written down ─▶ every place found ─▶ made at one moment, by the engine (E-40) ─▶ told ─▶ the group written, creation forgotten
 *             └─ the daemon dies: when all its volumes have been opened: all members are there: finished; else those that are there are dropped, and that is told
 *   drop    written down ─▶ its members one after the other, each an operation of its own ─▶ told ─▶ the group is forgotten
 *             └─ the daemon dies: when all its volumes have been opened: what is left of it is dropped
 */
import type { Engine } from "../index.ts";
import type { Journal } from "./journal.ts";
import type { Operation, Operations } from "./operations.ts";
import type { Pools, StorePlace } from "./pools.ts";
import { Making } from "./making.ts";
import { checkPlainName, checkSnapshotName, own } from "./names.ts";
import { Problem, problemOf } from "./problem.ts";
import { storeOptions } from "./policy.ts";
import { type DryRun, PAUSE, type Snapshots } from "./snapshots.ts";
import type { Creation, Member, SnapshotSpec } from "./state.ts";
import type { StateFile } from "./state-file.ts";
import type { Volumes } from "./volumes.ts";

export interface GroupsParts {
  readonly engine: Engine;
  readonly state: StateFile;
  readonly journal: Journal;
  readonly volumes: Volumes;
  readonly snapshots: Snapshots;
  readonly pools: Pools;
  readonly operations: () => Operations;
  readonly log: (line: string) => void;
}

export interface GroupView {
  readonly name: string;
  readonly created: string;
  readonly members: readonly Member[];
  /** Its members are going. */
  readonly dropping?: true | undefined;
}

export interface AskedMember extends Member {
  readonly spec: SnapshotSpec;
}

/** A member with the place of its store. */
interface Placed extends AskedMember {
  readonly place: StorePlace;
}

export class Groups {
  readonly #parts: GroupsParts;
  readonly #making = new Making();

  constructor(parts: GroupsParts) {
    this.#parts = parts;
  }

  list(): GroupView[] {
    return Object.keys(this.#parts.state.now.groups).map((name) => this.get(name));
  }

  /** Throws a Problem (not-found). */
  get(name: string): GroupView {
    const group = own(this.#parts.state.now.groups, name);
    if (group === undefined) throw new Problem("not-found", `there is no group '${name}'`);
    const { creation, ...shown } = group;
    return { name, ...shown };
  }

  /** The same members again are the same answer. Throws a Problem; then no member is there. */
  async create(
    name: string,
    members: readonly AskedMember[],
  ): Promise<{ readonly isNew: boolean; readonly group: GroupView; readonly pauseUs?: number | undefined }> {
    checkPlainName("a group", name);
    for (const { snapshot } of members) checkSnapshotName(snapshot);
    await this.#making.free(name);
    if (this.#left(name).length === 0 && this.#isThere(name, members)) return { isNew: false, group: this.get(name) };
    const volumes = members.map(({ volume }) => volume);
    const pauseUs = await this.#making.make(name, () =>
      this.#parts.snapshots.during(volumes, async () => {
        for (const creation of this.#left(name)) await this.#settle(name, creation, false);
        return this.#isThere(name, members) ? undefined : await this.#create(name, members);
      }),
    );
    return { isNew: pauseUs !== undefined, group: this.get(name), pauseUs };
  }

  /** What `create` would do. Throws what that would, as far as it can be known before. */
  async wouldCreate(name: string, members: readonly AskedMember[]): Promise<DryRun> {
    checkPlainName("a group", name);
    const there = own(this.#parts.state.now.groups, name);
    if (there !== undefined && !isSame(there.members, members))
      throw new Problem("differs", `there is a group '${name}' with other members`);
    if (there !== undefined) return { dryRun: true, does: "nothing: it is there" };
    let neededBytes = 0;
    for (const { volume, snapshot, spec } of members) {
      if (this.#parts.snapshots.has(volume, snapshot))
        throw new Problem("differs", `there is a snapshot ${volume}@${snapshot} already`);
      neededBytes += (await this.#parts.snapshots.wouldCreate(volume, snapshot, spec)).neededBytes ?? 0;
    }
    return { dryRun: true, does: "makes all of its snapshots at one moment", neededBytes };
  }

  /** What `drop` would do; undefined: there is no such group. Throws what that would. */
  wouldDrop(name: string): DryRun | undefined {
    const group = own(this.#parts.state.now.groups, name);
    if (group === undefined) return undefined;
    const each = group.members.map(({ volume, snapshot }) => this.#parts.snapshots.wouldDrop(volume, snapshot, name));
    const freedBytes = each.reduce((sum, would) => sum + (would?.freedBytes ?? 0), 0);
    return { dryRun: true, does: "drops all of its snapshots", freedBytes };
  }

  /** An operation for each member. None: there is no such group. Throws a Problem: merging, not-open. */
  async drop(name: string): Promise<Operation[]> {
    const { state, journal, snapshots } = this.#parts;
    const group = own(state.now.groups, name);
    if (group === undefined) return [];
    const { created, creation, members } = group;
    // Those that are gone have been told of.
    const drops = members.flatMap((member) => {
      const would = snapshots.wouldDrop(member.volume, member.snapshot, name);
      return would === undefined ? [] : [{ member, cow: would.path }];
    });
    // Before the first of them goes. What is told by times, or by operations that have ended, may be of another group of this name.
    await state.change((now) => {
      const one = own(now.groups, name);
      if (one !== undefined) one.dropping = true;
    });
    const operations = [];
    for (const { member, cow } of drops)
      operations.push(await this.#parts.operations().start("drop", { ...member }, { cow }));
    const isTold = journal.find(
      ({ type, data }) =>
        type === "group-dropped" &&
        data?.["group"] === name &&
        data["created"] === created &&
        data["creation"] === creation,
    );
    if (isTold === undefined)
      journal.add({
        type: "group-dropped",
        data: { group: name, created, members, ...(creation === undefined ? {} : { creation }) },
      });
    await journal.settled();
    await state.change((now) => {
      delete now.groups[name];
    });
    return operations;
  }

  /** After all volumes have been opened, and when one is opened later: what was begun is finished, or undone. What a volume has that is not open waits for it. */
  async settle(): Promise<void> {
    const { state } = this.#parts;
    for (const creation of state.now.creations) {
      const { group } = creation;
      if (group === undefined || this.#making.has(group)) continue;
      await this.#tried(group, () => this.#settle(group, creation, true));
    }
    for (const [name, { members, dropping }] of Object.entries(state.now.groups))
      if (dropping === true && members.every(({ volume }) => this.#isOpen(volume)))
        await this.#tried(name, () => this.drop(name));
  }

  /** It stays written down where it fails, and is tried at the next opening. The others are not its business. */
  async #tried(name: string, settle: () => Promise<unknown>): Promise<void> {
    try {
      await settle();
    } catch (error) {
      this.#parts.log(`group '${name}' was begun before, and cannot be settled: ${(error as Error).message}`);
    }
  }

  /** Made, where every member is; else undone. Neither where a volume is not open. */
  async #settle(name: string, creation: Creation, isOfEarlier: boolean): Promise<void> {
    const { volumes, snapshots } = this.#parts;
    const { members } = creation;
    const known = members.filter(({ volume }) => volumes.find(volume) !== undefined);
    if (!known.every(({ volume }) => this.#isOpen(volume))) return;
    const there: Member[] = [];
    for (const member of known) if (await snapshots.isMade(member)) there.push(member);
    if (there.length === members.length) await this.#made(name, creation, isOfEarlier ? { recovered: true } : {});
    else await this.#undo(creation, there, isOfEarlier);
  }

  #isOpen(volume: string): boolean {
    return this.#parts.volumes.find(volume)?.opened !== undefined;
  }

  /** Begun, and not seen to end: nobody is at it while the name is ours. */
  #left(name: string): Creation[] {
    return this.#parts.state.now.creations.filter(({ group }) => group === name);
  }

  /** Throws a Problem: differs, busy. */
  #isThere(name: string, members: readonly Member[]): boolean {
    const there = own(this.#parts.state.now.groups, name);
    if (there === undefined) return false;
    if (there.dropping === true) throw new Problem("busy", `group '${name}' is being dropped`, { retry: "backoff" });
    if (isSame(there.members, members)) return true;
    throw new Problem("differs", `there is a group '${name}' with other members`);
  }

  async #create(name: string, asked: readonly AskedMember[]): Promise<number> {
    const { pools, snapshots, volumes } = this.#parts;
    if (asked.length === 0) throw new Problem("bad-request", "a group has at least one member");
    const members: Placed[] = [];
    try {
      for (const { volume, snapshot, spec } of asked) {
        snapshots.refuseDropped(volume, snapshot);
        if (snapshots.has(volume, snapshot))
          throw new Problem("differs", `there is a snapshot ${volume}@${snapshot} already`);
        void volumes.get(volume).volume;
        const place = await pools.place(volume, snapshot, spec);
        const complete = place.pool === undefined ? spec : { ...spec, pool: place.pool };
        members.push({ volume, snapshot, spec: complete, place });
      }
      return await this.#createAt(name, members);
    } finally {
      for (const { place } of members) pools.release(place);
    }
  }

  async #createAt(name: string, members: readonly Placed[]): Promise<number> {
    const { engine, snapshots } = this.#parts;
    const creation = await snapshots.begin(
      members.map(({ volume, snapshot, spec, place }) => ({
        ...{ volume, snapshot, spec },
        file: place.pool === undefined ? undefined : place.cow,
      })),
      name,
    );
    const orders = members.map(({ volume, snapshot, spec, place }) => ({
      volume,
      snapshot: { name: snapshot, ...storeOptions(place, spec) },
    }));
    let pauseUs: number;
    try {
      ({ pauseUs } = await engine.createSnapshots(orders, PAUSE));
    } catch (error) {
      await snapshots.undone(creation, false).catch(() => {});
      throw problemOf(error, `group '${name}'`);
    }
    await this.#made(name, creation, { pauseUs });
    return pauseUs;
  }

  async #made(name: string, creation: Creation, data: Readonly<Record<string, unknown>>): Promise<void> {
    const { state, journal, snapshots } = this.#parts;
    const members = creation.members.map(({ volume, snapshot }) => ({ volume, snapshot }));
    await state.change((now) => {
      now.groups[name] = { created: creation.begun, creation: creation.id, members };
    });
    if (!journal.has("group-created", "creation", creation.id))
      journal.add({ type: "group-created", data: { group: name, members, creation: creation.id, ...data } });
    await snapshots.made(creation, { group: name, ...data });
  }

  async #undo(creation: Creation, there: readonly Member[], isTold: boolean): Promise<void> {
    const { snapshots, volumes } = this.#parts;
    for (const { volume, snapshot } of there) await volumes.get(volume).volume.dropSnapshot(snapshot);
    await snapshots.undone(creation, isTold);
  }
}

function isSame(had: readonly Member[], asked: readonly Member[]): boolean {
  const names = (members: readonly Member[]): string =>
    JSON.stringify(members.map(({ volume, snapshot }) => [volume, snapshot]).sort());
  return names(had) === names(asked);
}
