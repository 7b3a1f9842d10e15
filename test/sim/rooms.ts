/**
 * Stores that grow by themselves, or stall when they are full (E-47, E-48): what a user has chosen for each, and what becomes of it.
 *
 *   core: wantRoom ──▶ some steps later: it grows by a little ── or, where its file system has a limit, it is refused
 *   requests wait ───▶ somebody adds room ── or, where there is a limit, their time is over
 *   its disk is full ▶ one of them tries again, on a disk that has room by now, or has not
 *
 * One without a limit must never turn Invalid for want of room, whatever flood comes: that is the oracle's word on both. All of it is drawn from a
 * generator of its own, so that lives without it are what they were.
 */
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { RoomPolicy } from "../../src/core/room-policy.ts";
import type { StoreKind } from "../../src/format/table-line.ts";
import type { SimulatedSnapshot, World } from "./world.ts";

export interface SimulatedRoom {
  readonly policy: RoomPolicy;
  /** Its file system may have no room for it. */
  readonly hasLimit: boolean;
}

/** Those for whom nobody can make room, as they have been told: their shell goes on trying by itself. */
const refused = new WeakSet<SimulatedSnapshot>();

export function drawRoom({ side, swarm }: World, store: StoreKind): SimulatedRoom | undefined {
  const grows = swarm.on.has("autoGrowth") && side.chance(70);
  const stalls = swarm.on.has("stalls") && side.chance(70);
  if (!grows && !stalls) return undefined;
  const growAt = grows ? side.pick([40, 60, 80, 99]) : 0;
  return { policy: { growAt, overflows: store === "PO", stalls }, hasLimit: side.chance(40) };
}

/** It is never full for long. */
export function hasRoom({ room }: SimulatedSnapshot): boolean {
  return room !== undefined && !room.hasLimit;
}

/** A step has passed: some of those who wait get an answer. */
export function answerRooms(world: World): void {
  const { side, swarm, volume } = world;
  if (!swarm.on.has("autoGrowth") && !swarm.on.has("stalls")) return;
  for (const snapshot of world.snapshots.values()) {
    if (snapshot.room === undefined || !volume.core.snapshots().includes(snapshot.index)) continue;
    if (volume.wants.has(snapshot.index)) {
      if (side.chance(10)) answer(world, snapshot);
    } else if (side.chance(1) && volume.core.status(snapshot.index).stalled > 0) giveTime(world, snapshot);
  }
}

/** Nothing else can happen: whoever waits for room gets an answer. False: nobody does. */
export function settleRooms(world: World): boolean {
  const { volume } = world;
  for (const snapshot of world.snapshots.values()) {
    if (snapshot.room === undefined || !volume.core.snapshots().includes(snapshot.index)) continue;
    if (volume.wants.has(snapshot.index)) {
      answer(world, snapshot);
      return true;
    }
    if (volume.core.status(snapshot.index).stalled > 0) {
      const isAsked = snapshot.room.policy.growAt === 0 || refused.has(snapshot) || isFileSystemFull(world, snapshot);
      world.must(
        isAsked ? undefined : "has requests that wait for room, and nobody was asked (E-47)",
        world.name(snapshot),
      );
      giveTime(world, snapshot);
      return true;
    }
  }
  return false;
}

/** Then its store has room, and nobody need be asked for any. */
function isFileSystemFull({ volume }: World, { index }: SimulatedSnapshot): boolean {
  const told = volume.notices.filter(({ snapshot, event }) => snapshot === index && event === "stalled");
  return (told.at(-1)?.error ?? 0) !== 0;
}

function answer(world: World, snapshot: SimulatedSnapshot): void {
  const { side, volume } = world;
  volume.wants.delete(snapshot.index);
  if (!snapshot.room!.hasLimit || side.chance(60)) return grow(world, snapshot, "grows by itself");
  world.note(`${world.name(snapshot)} cannot grow`);
  world.count("growth refused");
  refused.add(snapshot);
  volume.room(snapshot.index, { kind: "refused" });
}

/** Nobody was asked, or nobody could: somebody adds room by hand, or the time of a stall is over. */
function giveTime(world: World, snapshot: SimulatedSnapshot): void {
  const { side, volume } = world;
  world.count("stall");
  if (isFileSystemFull(world, snapshot) && side.chance(70)) return tryAgain(world, snapshot);
  // It may be full for good: then nobody would ever come to rest.
  if (side.chance(50)) snapshot.disk.fault = () => 0;
  if (!snapshot.room!.hasLimit || side.chance(60)) return grow(world, snapshot, "is given room");
  world.note(`${world.name(snapshot)}: its time is over`);
  volume.room(snapshot.index, { kind: "stallOver" });
}

/** The file system under a sparse file has room again, or not. */
function tryAgain(world: World, snapshot: SimulatedSnapshot): void {
  const { side, volume } = world;
  if (side.chance(50)) snapshot.disk.fault = () => 0;
  world.note(`${world.name(snapshot)}: one of those who wait tries again`);
  world.count("tried again");
  volume.room(snapshot.index, { kind: "tryAgain" });
}

function grow(world: World, snapshot: SimulatedSnapshot, how: string): void {
  const { index, disk, chunkSectors } = snapshot;
  refused.delete(snapshot);
  // By less than a chunk, too: then it has to be asked for again.
  const sectors = world.side.pick([
    world.swarm.blocks.cow,
    chunkSectors,
    chunkSectors,
    2 * chunkSectors,
    7 * chunkSectors,
  ]);
  const bytes = disk.bytes.length + sectors * SECTOR_BYTES;
  disk.grow(bytes, new Uint8Array(bytes - disk.bytes.length));
  world.note(`snapshot ${index} ${how}, to ${bytes / SECTOR_BYTES} sectors`);
  world.count(how);
  world.volume.grow(index, bytes / SECTOR_BYTES);
}
