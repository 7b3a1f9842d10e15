/**
 * Groups: snapshots of several volumes that are one point in time, and one object. Made whole or not at all, dropped whole; no member goes alone.
 *
 *   create  written down ─▶ every place found ─▶ made at one moment, by the engine (E-40) ─▶ told ─▶ the group written, creation forgotten
 *             └─ the daemon dies: when all its volumes have been opened: all members are there: finished; else those that are there are dropped, and that is told
 *   drop    its members one after the other, each an operation of its own ─▶ told ─▶ the group is forgotten
 *             └─ the daemon dies: when all its volumes have been opened: what is left of it is dropped
 */
import type { Engine } from "../index.ts";
import type { Journal } from "./journal.ts";
import type { Operation, Operations } from "./operations.ts";
import type { Pools } from "./pools.ts";
import { Making } from "./making.ts";
import { checkPlainName, checkSnapshotName, own } from "./names.ts";
import { Problem, problemOf } from "./problem.ts";
import { PAUSE, type Snapshots, storeOptions } from "./snapshots.ts";
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
}

export interface GroupView {
  readonly name: string;
  readonly created: string;
  readonly members: readonly Member[];
}

export interface AskedMember extends Member {
  readonly spec: SnapshotSpec;
}

export class Groups {
  readonly #parts: GroupsParts;
  readonly #making = new Making();

  constructor(parts: GroupsParts) {
    this.#parts = parts;
  }

  list(): GroupView[] {
    return Object.entries(this.#parts.state.now.groups).map(([name, group]) => ({ name, ...group }));
  }

  /** Throws a Problem (not-found). */
  get(name: string): GroupView {
    const group = own(this.#parts.state.now.groups, name);
    if (group === undefined) throw new Problem("not-found", `there is no group '${name}'`);
    return { name, ...group };
  }

  /** The same members again are the same answer. Throws a Problem; then no member is there. */
  async create(
    name: string,
    members: readonly AskedMember[],
  ): Promise<{ readonly isNew: boolean; readonly group: GroupView; readonly pauseUs?: number }> {
    checkPlainName("a group", name);
    for (const { snapshot } of members) checkSnapshotName(snapshot);
    await this.#making.free(name);
    const there = own(this.#parts.state.now.groups, name);
    if (there !== undefined) {
      if (isSame(there.members, members)) return { isNew: false, group: this.get(name) };
      throw new Problem("differs", `there is a group '${name}' with other members`);
    }
    const pauseUs = await this.#making.make(name, () => this.#create(name, members));
    return { isNew: true, group: this.get(name), pauseUs };
  }

  /** An operation for each member. None: there is no such group. Throws a Problem: merging, not-open. */
  async drop(name: string): Promise<Operation[]> {
    const { state, journal, snapshots } = this.#parts;
    const group = own(state.now.groups, name);
    if (group === undefined) return [];
    for (const { volume, snapshot } of group.members) snapshots.wouldDrop(volume, snapshot, name);
    // Those that are gone have been told of.
    const there = group.members.filter(({ volume, snapshot }) => snapshots.has(volume, snapshot));
    const places = there.map((member) => ({ member, cow: snapshots.get(member.volume, member.snapshot).cow }));
    const operations = [];
    for (const { member, cow } of places)
      operations.push(await this.#parts.operations().start("drop", { ...member }, { cow }));
    const { created, members } = group;
    const isTold = journal.find(({ type, data }) => type === "group-dropped" && data?.["created"] === created);
    if (isTold === undefined) journal.add({ type: "group-dropped", data: { group: name, created, members } });
    await journal.settled();
    await state.change((now) => {
      delete now.groups[name];
    });
    return operations;
  }

  /** After all volumes have been opened, and when one is opened later: what was begun is finished, or undone. What a volume has that is not open waits for it. */
  async settle(): Promise<void> {
    const { state, volumes } = this.#parts;
    for (const creation of state.now.creations) {
      const { group, members } = creation;
      if (group === undefined || this.#making.has(group)) continue;
      const known = members.filter(({ volume }) => own(state.now.volumes, volume) !== undefined);
      if (known.some(({ volume }) => volumes.get(volume).opened === undefined)) continue;
      const there = known.filter(({ volume, snapshot }) => this.#parts.snapshots.has(volume, snapshot));
      if (there.length === members.length) await this.#made(group, creation, { recovered: true });
      else await this.#undo(creation, there);
    }
    for (const [name, { members, created }] of Object.entries(state.now.groups)) {
      const isOpen = members.every(({ volume }) => volumes.get(volume).opened !== undefined);
      if (isOpen && this.#isBeingDropped(members, created)) await this.drop(name);
    }
  }

  /** No member goes alone: where one was to be dropped, all were. */
  #isBeingDropped(members: readonly Member[], since: string): boolean {
    return this.#parts.state.now.operations.some(
      ({ kind, state, created, ...of }) =>
        kind === "drop" &&
        (state === "running" || state === "done") &&
        created >= since &&
        members.some(({ volume, snapshot }) => volume === of.volume && snapshot === of.snapshot),
    );
  }

  async #create(name: string, asked: readonly AskedMember[]): Promise<number> {
    const { engine, pools, snapshots, volumes } = this.#parts;
    if (asked.length === 0) throw new Problem("bad-request", "a group has at least one member");
    const members = [];
    for (const { volume, snapshot, spec } of asked) {
      if (snapshots.has(volume, snapshot))
        throw new Problem("differs", `there is a snapshot ${volume}@${snapshot} already`);
      void volumes.get(volume).volume;
      const place = await pools.place(volume, snapshot, spec);
      const complete = place.pool === undefined ? spec : { ...spec, pool: place.pool };
      members.push({ volume, snapshot, spec: complete, place });
    }
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
      now.groups[name] = { created: creation.begun, members };
    });
    const isTold = journal.find(({ type, data: of }) => type === "group-created" && of?.["creation"] === creation.id);
    if (isTold === undefined)
      journal.add({ type: "group-created", data: { group: name, members, creation: creation.id, ...data } });
    await snapshots.made(creation, { group: name, ...data });
  }

  async #undo(creation: Creation, there: readonly Member[]): Promise<void> {
    const { snapshots, volumes } = this.#parts;
    for (const { volume, snapshot } of there) await volumes.get(volume).volume.dropSnapshot(snapshot);
    await snapshots.undone(creation, true);
  }
}

function isSame(had: readonly Member[], asked: readonly Member[]): boolean {
  const names = (members: readonly Member[]): string =>
    JSON.stringify(members.map(({ volume, snapshot }) => [volume, snapshot]).sort());
  return names(had) === names(asked);
}
