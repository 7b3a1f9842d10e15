/**
 * What the owner of a volume does in a life: snapshots are made, dropped, merged and stopped; COW devices grow; disks break.
 */
import { errno } from "../../src/base/errno.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { StoreKind } from "../../src/format/table-line.ts";
import type { FakeDisk } from "../support/core/fake-disk.ts";
import { storeImage, type ExceptionPair } from "../support/store-image.ts";
import { die } from "./power-cut.ts";
import { RegisterModel, stamped, stampsOf } from "./register-model.ts";
import { request } from "./requests.ts";
import { drawRoom } from "./rooms.ts";
import { decodeStore, viewOf } from "./store-decoder.ts";
import type { Switch } from "./swarm.ts";
import { candidates, modelOf, type SimulatedSnapshot, type World } from "./world.ts";

export function createSnapshot(world: World): void {
  if (!world.mayCreate()) return;
  const snapshot = drawSnapshot(world);
  const mayFail = world.merging >= 0;
  const { merging } = world;
  const operation = world.volume.create(snapshot.index, { ...snapshot, merging: false });
  world.order(operation, (error) => creationEnded(world, snapshot, { error, mayFail, merging }));
}

/** One that is to be. `isRead`: nobody is to write it. */
export function drawSnapshot(world: World, isRead = false): SimulatedSnapshot {
  const { random, swarm } = world;
  const index = world.nextIndex++;
  const drawn = random.pick(swarm.on.has("largeChunks") ? [1, 2, 4, 8] : [1, 1, 2]);
  const chunkSectors = Math.max(drawn, smallestChunk(world));
  const roomy = !swarm.on.has("smallStores") || random.chance(45);
  const disk = world.newCow(garbage(world, cowBytes(world, chunkSectors, roomy), 16));
  const store = drawStore(world);
  const access = isRead ? { readOnly: true, passdown: false } : drawExport(world);
  const snapshot: SimulatedSnapshot = {
    ...{ index, store, disk, chunkSectors, roomy, ...access },
    ...{ model: undefined, since: world.clock, of: world.origin, dropped: false, room: drawRoom(world, store) },
  };
  world.note(`create ${world.name(snapshot)}, ${disk.bytes.length / SECTOR_BYTES} sectors`);
  world.snapshots.set(index, snapshot);
  return snapshot;
}

export interface CreationEnd {
  readonly error: number;
  /** There is a reason, beside a broken origin. */
  readonly mayFail: boolean;
  /** What merged when it was ordered. */
  readonly merging: number;
}

export function creationEnded(
  world: World,
  snapshot: SimulatedSnapshot,
  { error, mayFail, merging }: CreationEnd,
): void {
  const { index, disk } = snapshot;
  if (error !== 0) {
    const reason = mayFail || world.volume.origin.failures > 0;
    world.must(reason ? undefined : "a creation fails for no reason", world.name(snapshot));
    world.snapshots.delete(index);
    world.volume.detach(index);
    return;
  }
  world.must(merging >= 0 ? "is made while another one merges (C-31)" : undefined, world.name(snapshot));
  world.count("create");
  mustBeRecorded(world, snapshot);
  snapshot.model = new RegisterModel(candidates(world, snapshot));
  for (const { first, count } of world.discards) snapshot.model.begin(first, count, 0, world.clock);
  breakSometimes(world, disk);
}

/** It may have run full as soon as clients could write again. */
function mustBeRecorded(world: World, snapshot: SimulatedSnapshot): void {
  if (!world.swarm.on.has("registry")) return;
  const now = world.volume.registry.get(snapshot.index);
  const isKnown = now === "active" || (now === "invalid" && world.mayBeInvalid(snapshot));
  world.must(isKnown ? undefined : `is made, and registered as ${now} (E-46)`, world.name(snapshot));
}

/** Chunks are whole blocks of both devices; else they are not used with direct I/O. */
function smallestChunk({ swarm }: World): number {
  return Math.max(swarm.blocks.origin, swarm.blocks.cow);
}

function drawExport({ random, swarm }: World): { readonly readOnly: boolean; readonly passdown: boolean } {
  const readOnly = random.chance(30) && swarm.on.has("readOnlyExports");
  return { readOnly, passdown: random.chance(60) && swarm.on.has("passdown") };
}

function drawStore(world: World): StoreKind {
  const { random, swarm } = world;
  const kind = random.pick<StoreKind>(["P", "PO", "N"]);
  if (kind === "PO") return swarm.on.has("overflowStores") ? "PO" : "P";
  const lasting = ["crashes", "kills", "merges"].some((name) => swarm.on.has(name as Switch));
  return kind === "N" && swarm.on.has("transientStores") && !lasting ? "N" : "P";
}

function cowBytes(world: World, chunkSectors: number, roomy: boolean): number {
  const { random, swarm } = world;
  const chunks = Math.ceil(swarm.originSectors / chunkSectors);
  // Header, areas, and a chunk for each of the origin's: with no chunk to spare, or with some.
  const exact = 2 + Math.floor(chunks / (chunkSectors * 32)) + chunks;
  const needed = exact + (swarm.on.has("brims") ? 0 : 3);
  // An area is full where the device ends, or nearly so.
  const perArea = 32 * chunkSectors;
  const border = 2 + perArea + (perArea + 1) * random.pick([0, 0, 1]) + random.pick([0, 0, 1, 2]);
  // Soon nothing is left but what workers have in reserve.
  const reserve = 4 + world.volume.reserveMargin + random.below(6);
  const tight = random.chance(50) && swarm.on.has("reserves") ? reserve : border;
  const cowChunks = roomy ? needed : random.chance(60) ? tight : 3 + random.below(needed);
  const rest = random.below(chunkSectors);
  return (cowChunks * chunkSectors + rest - (rest % swarm.blocks.cow)) * SECTOR_BYTES;
}

/** Stale bytes that look like exceptions; the first `blank` of them are none. */
function garbage(world: World, length: number, blank: number): Uint8Array {
  const { random } = world;
  const bytes = new Uint8Array(length);
  const words = new BigUint64Array(bytes.buffer);
  if (random.chance(70)) for (let i = blank / 8; i < words.length; i++) words[i] = BigInt(1 + random.below(60));
  return bytes;
}

/** From now on a disk may fail; after a while it may be well again. */
export function breakSometimes(world: World, disk: FakeDisk, name: "cowFaults" | "originFaults" = "cowFaults"): void {
  const { random, swarm } = world;
  if (!swarm.on.has(name) || !random.chance(60)) return;
  const percent = random.pick([1, 3, 10, 30]);
  const error = random.pick([errno.EIO, errno.EIO, errno.ENOSPC, errno.ENOSPC]);
  const kinds = random.pick([["write"], ["flush"], ["read"], ["write", "flush", "read"]]);
  let calls = random.pick([30, 300, Number.POSITIVE_INFINITY]);
  // The file system under a sparse file is full: what has its place is written as ever, nearly always or always.
  const full = error === errno.ENOSPC && kinds[0] === "write";
  const sometimes = full && kinds.length === 1 ? 0 : percent;
  disk.fault = (kind, position, length) => {
    if (calls-- <= 0 || !kinds.includes(kind)) return 0;
    const homeless = full && kind === "write" && !disk.hasPlace(position, length);
    return homeless || random.chance(sometimes) ? error : 0;
  };
}

/** A store that somebody else has made: holes, any order, stale bytes behind the end marker; perhaps its last area is full. */
export function openPrefilled(world: World): void {
  const { random, swarm } = world;
  const index = world.nextIndex++;
  const chunkSectors = Math.max(random.pick([1, 1, 2]), smallestChunk(world));
  const perArea = chunkSectors * 32;
  const originChunks = Math.floor(swarm.originSectors / chunkSectors);
  const full = originChunks >= perArea && random.chance(50);
  // The end marker may be just before the end of a block: one exception more, and it stands in the next one.
  const blockEnd = originChunks > 32 && random.chance(50);
  const count = full ? perArea : blockEnd ? 30 + random.below(2) : random.below(originChunks);
  const areas = 1 + Math.floor(count / perArea);
  // Where an area is full, the device may end right behind its data.
  const ends = full && random.chance(60);
  const chunks = ends ? 2 + perArea : 1 + areas * (perArea + 1) + 4 + originChunks;
  const oldChunks = shuffled(world, originChunks).slice(0, count);
  const dataChunks = shuffled(world, ends ? chunks : 2 + 2 * count).filter(
    (chunk) => chunk > 1 && chunk % (perArea + 1) !== 1 && chunk < chunks,
  );
  const pairs = oldChunks.slice(0, dataChunks.length).map((chunk, i): ExceptionPair => [chunk, dataChunks[i]!]);
  const image = storeImage(chunks * chunkSectors * SECTOR_BYTES, chunkSectors, pairs);
  for (const [, newChunk] of pairs) {
    image.set(stamped(chunkSectors, world.stamp++), newChunk * chunkSectors * SECTOR_BYTES);
  }
  if (random.chance(60)) spoilTail(world, image, chunkSectors, pairs.length);
  const disk = world.newCow(image);
  const decoded = decodeStore(image, swarm.originSectors * SECTOR_BYTES);
  const view = viewOf(decoded, image, world.volume.origin.bytes);
  const store = drawStore(world) === "PO" ? "PO" : "P";
  world.note(`open snapshot ${index} with ${pairs.length} exceptions, ${chunks} chunks of ${chunkSectors}`);
  const access = drawExport(world);
  const room = drawRoom(world, store);
  world.volume.open(index, { disk, store, chunkSectors: 0, merging: false, room, ...access });
  const snapshot: SimulatedSnapshot = {
    ...{ index, store, disk, chunkSectors, roomy: false, model: modelOf(stampsOf(view)), ...access },
    ...{ since: 0, of: undefined, dropped: false, room },
  };
  world.snapshots.set(index, snapshot);
  world.count("prefilled");
  // Before the first origin write finds no room in it.
  if (ends && swarm.on.has("growth") && random.chance(60)) growCow(world, snapshot);
}

function shuffled(world: World, count: number): number[] {
  const numbers = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = world.random.below(i + 1);
    [numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!];
  }
  return numbers;
}

/** Behind the end marker stands what was there before (S-7). */
function spoilTail(world: World, image: Uint8Array, chunkSectors: number, count: number): void {
  const perArea = chunkSectors * 32;
  const areaChunk = 1 + Math.floor(count / perArea) * (perArea + 1);
  const words = new BigUint64Array(image.buffer);
  const first = (areaChunk * chunkSectors * SECTOR_BYTES) / 8 + 2 * ((count % perArea) + 1);
  const end = ((areaChunk + 1) * chunkSectors * SECTOR_BYTES) / 8;
  for (let i = first; i < Math.min(end, words.length); i++) words[i] = BigInt(2 + world.random.below(60));
}

export function dropSnapshot(world: World): void {
  const candidates = world.live().filter((snapshot) => snapshot.index !== world.merging);
  if (candidates.length === 0) return;
  const snapshot = world.random.pick(candidates);
  const { volume } = world;
  world.note(`drop ${world.name(snapshot)}`);
  const operation = volume.order((id) => volume.core.dropSnapshot(id, snapshot.index));
  if (volume.results.get(operation)?.error) return;
  snapshot.dropped = true;
  world.order(operation, () => {
    const lost = volume.notices.some(
      ({ snapshot: s, event }) => s === snapshot.index && event === "header-write-failed",
    );
    if (snapshot.store !== "N" && !lost) {
      const { state } = decodeStore(snapshot.disk.durableBytes, 0);
      world.must(state === "invalid" ? undefined : "is dropped, and its header is valid", world.name(snapshot));
    }
    world.snapshots.delete(snapshot.index);
    volume.detach(snapshot.index);
    world.count("drop");
  });
}

export function growCow(world: World, of?: SimulatedSnapshot): void {
  const candidates = world.live();
  if (candidates.length === 0) return;
  const snapshot = of ?? world.random.pick(candidates);
  const { disk, index, chunkSectors } = snapshot;
  const more = world.random.below(20) * chunkSectors * SECTOR_BYTES;
  // A file grows with zeroes, and a cut may come at once; a logical volume with what was there before.
  const stale = garbage(world, more, 0);
  const behind = world.random.chance(50) ? new Uint8Array(more) : stale;
  disk.grow(disk.bytes.length + more, behind);
  world.note(`${world.name(snapshot)} grows to ${disk.bytes.length / SECTOR_BYTES} sectors`);
  world.volume.grow(index, disk.bytes.length / SECTOR_BYTES);
  world.count("grow");
  // Where the last area is full, what comes behind it stays stale until it is zeroed: nobody can do that at once (S-42).
  if (!hasFullEnd(world, snapshot)) return;
  world.stepUntil(() => !hasFullEnd(world, snapshot));
  world.must(hasFullEnd(world, snapshot) ? "has stale bytes behind its last area" : undefined, world.name(snapshot));
}

/** The area behind the last full one has just come onto the device, and holds stale bytes durably. */
function hasFullEnd(world: World, { disk, store }: SimulatedSnapshot): boolean {
  if (store === "N" || disk.failures > 0) return false;
  try {
    decodeStore(disk.durableBytes, world.swarm.originSectors * SECTOR_BYTES);
    return false;
  } catch {
    return true;
  }
}

/** While nothing else is under way a snapshot takes the origin's place; then the clients come back. */
export function startOrStopMerge(world: World): void {
  const { volume } = world;
  if (world.merging >= 0) return world.random.chance(30) ? resumeMerge(world) : stopMerge(world);
  const candidates = world.live().filter((snapshot) => snapshot.store !== "N");
  if (candidates.length === 0) return;
  world.drain();
  const snapshot = world.random.pick(candidates);
  // Its own export goes on: before and after, it shows the same volume.
  for (let i = world.random.below(6); i > 0; i--) request(world, snapshot);
  world.note(`merge ${world.name(snapshot)}`);
  breakSometimes(world, snapshot.disk);
  breakSometimes(world, world.volume.origin, "originFaults");
  world.steps(world.random.below(20));
  const operation = volume.order((id) => volume.core.mergeStart(id, snapshot.index));
  world.changesHands = snapshot.index;
  if (!ends(world, () => volume.merging >= 0 || volume.results.has(operation))) return die(world);
  world.changesHands = -1;
  if (volume.merging < 0) return;
  // From now on both names show the same volume.
  world.count("merge");
  world.merging = snapshot.index;
  // What was in reserve is a hole from now on (S-6).
  if (world.swarm.on.has("reserves")) snapshot.roomy = false;
  world.origin = snapshot.model!;
  mustBeRegistered(world, snapshot, "merging");
}

/** False: it has been left amid a few steps of it, for something worse to happen. */
function ends(world: World, condition: () => boolean): boolean {
  const { random, swarm } = world;
  const dies = (swarm.on.has("crashes") || swarm.on.has("kills")) && random.chance(25);
  let left = dies ? random.below(60) : Number.POSITIVE_INFINITY;
  world.stepUntil(() => condition() || left-- <= 0);
  return condition() || !dies;
}

/** What clients see from now on is in the register by now (E-36). */
function mustBeRegistered(world: World, snapshot: SimulatedSnapshot, what: "merging" | "active"): void {
  if (!world.swarm.on.has("registry")) return;
  const now = world.volume.registry.get(snapshot.index);
  world.must(now === what ? undefined : `is ${what}, and registered as ${now} (E-36)`, world.name(snapshot));
}

/** Go on, where it has failed; else it is refused. Its end may never come: a paced merge rests. */
function resumeMerge(world: World): void {
  const { volume, merging } = world;
  world.note(`merge snapshot ${merging} again`);
  volume.order((id) => volume.core.mergeStart(id, merging));
}

function stopMerge(world: World): void {
  const { volume } = world;
  const { origin } = volume;
  world.drain();
  const index = world.merging;
  const snapshot = world.snapshots.get(index)!;
  for (let i = world.random.below(6); i > 0; i--) request(world, snapshot);
  world.steps(world.random.below(20));
  world.note(`stop the merge of ${world.name(snapshot)}`);
  const operation = volume.order((id) => volume.core.mergeStop(id, index));
  world.changesHands = index;
  if (!ends(world, () => volume.results.has(operation))) return die(world);
  world.changesHands = -1;
  if (volume.results.get(operation)?.error !== 0) return;
  mustBeRegistered(world, snapshot, "active");
  const merged = volume.entries(index) === 0;
  world.merging = -1;
  // With reserves new chunks are in no order, and what a merge has taken away leaves holes below the last one (S-64).
  if (world.swarm.on.has("reserves")) snapshot.roomy = false;
  // The bare origin shows itself; what is in its cache must not come into the model.
  const { fault } = origin;
  origin.fault = () => 0;
  origin.flush();
  origin.fault = fault;
  const values = stampsOf(origin.bytes);
  if (merged) world.must(world.origin.check(0, values, world.clock, world.clock), "what was merged");
  world.origin = modelOf(values);
}
