/**
 * A group of snapshots over volumes of one engine, and the writer who judges it (E-50): he goes from volume to volume, one write after the other, each when the
 * one before it has been answered.
 *
 *   writes     1 ─▶ a   2 ─▶ b   3 ─▶ c   4 ─▶ a   5 ─▶ b …
 *   snapshots  ────┼────────┼────── wherever the cut lies, what is in it has everything before it beside it
 *
 * Other clients write to the same places. So a write counts as there where its sector shows it, and as missing where it shows what was certainly there before it
 * (register-model.ts). The snapshots are read as soon as all are made; after a kill, if all are registered, as they were opened again; after a power cut
 * likewise, if anybody has been told that they are made.
 *
 * A death may find them anywhere:
 *
 *   a  ──registered──┄┄┄┄┄┄┄┄┄┄┄──closed──held──┄┄┄┄┄┄┄──activated──┄┄┄┄┄┄┄┄┄┄┄┄┄┄──flushed──┄┄┄┄┄ told
 *   b  ──────────────registered──closed──────held──┄┄┄┄────────────activated──flushed──┄┄┄┄┄┄┄┄┄┄┄ told
 *                   some, all              gates closed          some activated      before the flushes     told
 */
import { MAX_SNAPSHOTS } from "../../src/base/constants.ts";
import { errno } from "../../src/base/errno.ts";
import { CreationGroup } from "../../src/core/creation-group.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { CreationStep } from "../../src/core/ports.ts";
import { creationEnded, drawSnapshot } from "./orders.ts";
import { stamped, stampsOf } from "./register-model.ts";
import type { ThreadsVolume } from "./threads/threads-volume.ts";
import type { SimulatedSnapshot, World } from "./world.ts";

/** Beside those that a volume has by itself. */
const SNAPSHOTS_MOST = 6;

interface Member {
  readonly world: World;
  readonly snapshot: SimulatedSnapshot;
  /** How far its creation has come, by the place in STEPS. */
  step: number;
  /** Of its creation. */
  error: number | undefined;
}

/** A write that was answered. */
interface Entry {
  readonly member: Member;
  readonly sector: number;
  readonly stamp: number;
  /** By the clock of its world. */
  readonly end: number;
}

type Content = readonly number[] | undefined;

/** Where a death may find a group, until its owner has looked at it. */
export const MOMENTS = [
  "some made",
  "all made",
  "gates closed",
  "some activated",
  "before the flushes",
  "told",
] as const;
type Moment = (typeof MOMENTS)[number];

const STEPS: readonly CreationStep[] = ["prepared", "closing", "held", "opened", "durable"];
const [PREPARED, CLOSING, OPENED, DURABLE] = (["prepared", "closing", "opened", "durable"] as const).map((step) =>
  STEPS.indexOf(step),
) as [number, number, number, number];

export class GroupLife {
  readonly #members: readonly Member[];
  readonly #group: CreationGroup;
  readonly #journal: Entry[] = [];
  #writing = false;
  /** A write of his has failed, or nobody knows: those after it say nothing. */
  #isBroken = false;
  #isGivenUp = false;

  private constructor(members: readonly Member[], group: (members: readonly Member[]) => CreationGroup) {
    this.#members = members;
    this.#group = group(members);
  }

  /** Undefined: there is no room for it now. */
  static begin(worlds: readonly World[], volumeOf: (world: World) => ThreadsVolume): GroupLife | undefined {
    const isFull = (world: World): boolean =>
      world.snapshots.size >= SNAPSHOTS_MOST || world.nextIndex >= MAX_SNAPSHOTS;
    if (worlds.some((world) => world.merging >= 0 || isFull(world))) return undefined;
    const members = worlds.map(
      (world): Member => ({ world, snapshot: drawSnapshot(world, true), step: -1, error: undefined }),
    );
    const life: GroupLife = new GroupLife(members, () => {
      const creations = members.map((member, i) => {
        const { world, snapshot } = member;
        const spec = { ...snapshot, merging: false };
        const { operation, creation } = volumeOf(world).createGrouped(snapshot.index, spec, {
          reached: (halt) => life.#group.reached(i, halt),
          stepped: (step) => void (member.step = STEPS.indexOf(step)),
        });
        world.order(operation, (error) => life.#ended(i, error));
        return creation;
      });
      return new CreationGroup(creations);
    });
    return life;
  }

  /** Nothing of it is under way. */
  get isOver(): boolean {
    return !this.#writing && this.#members.every(({ error }) => error !== undefined);
  }

  /** The volume of this world has failed: nobody hears how its creation ends. */
  lost(world: World): void {
    const number = this.#members.findIndex((member) => member.world === world);
    if (this.#members[number]!.error === undefined) this.#ended(number, errno.EIO, true);
  }

  /** The owner gives it up. */
  cancel(): void {
    this.#isGivenUp = true;
    this.#group.cancel();
  }

  /** How far it has come; undefined: nothing is made yet, not everybody has heard of it, or it comes to nothing. */
  get moment(): Moment | undefined {
    if (this.#members.every(({ error }) => error === 0)) return "told";
    if (this.#isGivenUp) return undefined;
    const steps = this.#members.map(({ step }) => step);
    const [least, most] = [Math.min(...steps), Math.max(...steps)];
    if (most < PREPARED || least === DURABLE) return undefined;
    if (least < PREPARED) return "some made";
    if (least < CLOSING) return "all made";
    if (most < OPENED) return "gates closed";
    return least < OPENED ? "some activated" : "before the flushes";
  }

  /** The writer's next step. */
  advance(): void {
    if (this.#writing || this.#isBroken || this.#members.every(({ error }) => error !== undefined)) return;
    const member = this.#members[this.#journal.length % this.#members.length]!;
    const { world } = member;
    if (world.ending !== undefined || world.merging >= 0) return;
    const sector = world.random.below(world.swarm.originSectors);
    const stamp = world.stamp++;
    const ended = world.origin.begin(sector, 1, stamp, world.clock);
    this.#writing = true;
    const ask = {
      kind: "write",
      at: sector * SECTOR_BYTES,
      data: stamped(1, stamp),
      fua: false,
      zeroes: false,
    } as const;
    world.note(`write ${stamp} of the writer, number ${this.#journal.length}, to ${sector}`);
    world.ask(undefined, { ...ask, alone: false }, (error) => {
      this.#writing = false;
      ended(error, world.clock);
      if (error === 0) this.#journal.push({ member, sector, stamp, end: world.clock });
      else this.#isBroken = true;
    });
  }

  /** All have ended: all or none is there, and what is there is one point in time. */
  judge(): void {
    const failed = this.#members.filter(({ error }) => error !== 0);
    const [first] = this.#members as readonly [Member, ...Member[]];
    if (failed.length > 0) {
      const made = this.#members.find(({ error }) => error === 0);
      const isLost = failed.some(({ world }) => world.ending !== undefined);
      first.world.must(made === undefined || isLost ? undefined : "a group is made in part (E-50)", "group");
      first.world.count("group undone");
      return;
    }
    this.#judge(this.#members.map((member) => contentOf(member)));
    first.world.count("group");
  }

  /** The process was killed, or the power failed, amid it, and everything has been opened again (docs/RELIABILITY.md). */
  judgeDeath(death: "cut" | "kill"): void {
    const [first] = this.#members as readonly [Member, ...Member[]];
    const isTold = this.#members.some(({ error }) => error === 0);
    const lost = this.#members.find(
      ({ world, snapshot }) => !world.snapshots.has(snapshot.index) && isKept(world, snapshot),
    );
    if (isTold)
      first.world.must(lost === undefined ? undefined : "a group was made, and a part of it is gone (E-50)", "group");
    // What nobody had flushed, and nobody was told of, a cut may take away anywhere (E-40).
    if (death === "cut" && !isTold) return;
    const contents = this.#members.map(({ world, snapshot }): Content => {
      const found = world.snapshots.get(snapshot.index);
      if (found?.model === undefined) return undefined;
      const { model } = found;
      return Array.from({ length: world.swarm.originSectors }, (_, sector) => {
        const values = model.candidates(sector, world.clock, world.clock);
        return values.length === 1 ? values[0]! : -1;
      });
    });
    if (contents.includes(undefined)) return;
    this.#judge(contents);
    first.world.count(death === "kill" ? "group killed" : "group cut");
  }

  #ended(number: number, error: number, isLost = false): void {
    const member = this.#members[number]!;
    const { world, snapshot } = member;
    const mayFail = error === errno.ECANCELED || isLost || world.volume.origin.failures > 0;
    member.error = error;
    if (error !== 0) this.#isGivenUp = true;
    if (!isLost) creationEnded(world, snapshot, { error, mayFail, merging: -1 });
    this.#group.ended(number, error);
  }

  #judge(contents: readonly Content[]): void {
    const shownFor = ({ member, sector }: Entry): number | undefined =>
      contents[this.#members.indexOf(member)]?.[sector];
    for (const [n, later] of this.#journal.entries()) {
      if (shownFor(later) !== later.stamp) continue;
      for (const [m, entry] of this.#journal.slice(0, n).entries()) {
        const value = shownFor(entry);
        // What is no single value, a sector that a discard may have emptied.
        if (value === undefined || value === -1) continue;
        const { world, snapshot } = entry.member;
        const allowed = snapshot.of!.candidates(entry.sector, entry.end + 1, Number.POSITIVE_INFINITY);
        const wrong = `holds ${value} for write ${m} of the writer (${entry.stamp}), and write ${n} is in the group (E-50)`;
        world.must(allowed.includes(value) ? undefined : wrong, world.name(snapshot));
      }
    }
  }
}

/** Once it is made it outlives a death. */
function isKept(world: World, snapshot: SimulatedSnapshot): boolean {
  return world.swarm.on.has("registry") && snapshot.store !== "N" && !world.mayBeInvalid(snapshot);
}

/** Undefined: it cannot be read, for a reason. */
function contentOf({ world, snapshot }: Member): Content {
  // Of a volume that has been closed since nobody becomes a client.
  if (world.ending !== undefined) return undefined;
  const { error, bytes } = world.readWhole(snapshot.index);
  if (error === 0) return stampsOf(bytes);
  world.mayFail("read", snapshot, error);
  return undefined;
}
