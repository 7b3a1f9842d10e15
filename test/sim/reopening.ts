/**
 * Everything that a death has left is opened again, as the product does it: all stores, then the one that merges is presented in
 * place of the origin, or told to stop (E-36), and only then is anybody served.
 *
 *   loader, table, core, a read of everything: the view that the bytes say, and nothing was written by opening (S-84)
 *   now and then the real kernel (kernel.ts): the same view and the same status
 */
import { errno, errnoName } from "../../src/base/errno.ts";
import { SnapshotState } from "../../src/base/states.ts";
import type { FakeDisk } from "../support/core/fake-disk.ts";
import { stampsOf } from "./register-model.ts";
import { type DecodedStore, viewOf } from "./store-decoder.ts";
import { modelOf, type SimulatedSnapshot, type World } from "./world.ts";

/** A store that is promised to be right. */
export interface Found {
  readonly snapshot: SimulatedSnapshot;
  readonly cow: Uint8Array;
  readonly decoded: DecodedStore;
  /** The register says so. */
  readonly merging: boolean;
}

interface Opened extends Found {
  readonly disk: FakeDisk;
}

/** Of a hundred openings amid a merge so many are told not to go on with it. */
const NO_MERGE_PERCENT = 25;
/** Of a hundred openings so many are tried with a disk that cannot flush. */
const REFUSED_PERCENT = 20;

export function reopen(
  world: World,
  origin: FakeDisk,
  found: readonly Found[],
  diskOf: (cow: Uint8Array, snapshot: SimulatedSnapshot) => FakeDisk,
): void {
  world.forget();
  world.ending = undefined;
  world.isClosedWell = false;
  world.snapshots.clear();
  world.merging = -1;
  world.changesHands = -1;
  // Without a snapshot nothing hangs on what was read, and it may be lost as ever.
  if (found.length > 0 || origin.isClean) world.origin = modelOf(stampsOf(origin.bytes));
  const stops = world.random.chance(NO_MERGE_PERCENT);
  const opened = found.map((one) => ({ ...one, merging: one.merging && !stops, disk: diskOf(one.cow, one.snapshot) }));
  if (world.swarm.on.has("cowFaults") && world.random.chance(REFUSED_PERCENT)) refuseOnce(world, origin, opened);
  world.volume = world.newVolume(origin);
  for (const one of opened) {
    const { snapshot, cow, decoded, disk } = one;
    const { index } = snapshot;
    open(world, one);
    const name = world.name(snapshot);
    world.must(same(disk.bytes, cow) ? undefined : "is written to by opening alone (S-84)", name);
    const invalid = world.volume.state(index) === SnapshotState.Invalid;
    world.must(invalid === (decoded.state === "invalid") ? undefined : "is opened in another state", name);
  }
  const merging = opened.find((one) => one.merging);
  if (merging !== undefined) present(world, merging.snapshot);
  for (const one of opened) compare(world, one, one.disk);
  if (merging !== undefined) goOn(world, merging.snapshot);
}

function open(world: World, { snapshot, merging, disk }: Opened): void {
  const { store, chunkSectors, index, readOnly, passdown, room } = snapshot;
  world.volume.open(index, { disk, store, chunkSectors, readOnly, passdown, merging, room });
}

/** A flush fails, so nobody knows what is durable of what was read: the volume must not be opened (C-49). */
function refuseOnce(world: World, origin: FakeDisk, opened: readonly Opened[]): void {
  const active = opened.filter(({ decoded }) => decoded.state === "active");
  if (active.length === 0) return;
  world.volume = world.newVolume(origin);
  const one = world.random.pick(active);
  const disk = world.random.pick([origin, one.disk]);
  disk.fault = (kind) => (kind === "flush" ? errno.EIO : 0);
  let refused = false;
  try {
    for (const each of opened) open(world, each);
  } catch {
    refused = true;
  }
  world.must(refused ? undefined : "is opened, and its flush has failed (C-49)", world.name(one.snapshot));
  world.volume.leave();
  disk.fault = () => 0;
  disk.failures = 0;
  world.count("refused");
}

/** Before anybody is served: what merged is in place of the origin. */
function present(world: World, snapshot: SimulatedSnapshot): void {
  const { volume } = world;
  const { index } = snapshot;
  const operation = volume.order((id) => volume.core.mergePresent(id, index));
  world.stepUntil(() => volume.results.has(operation));
  const presented = volume.results.get(operation)?.error === 0 && volume.merging === index;
  world.must(presented ? undefined : "merged, and is not presented again (E-36)", world.name(snapshot));
  world.merging = index;
  world.count("presented");
}

function goOn(world: World, { index }: SimulatedSnapshot): void {
  const { volume } = world;
  world.origin = world.snapshots.get(index)!.model!;
  volume.order((id) => volume.core.mergeStart(id, index));
}

/** The engine's word: the view that the bytes say. */
function compare(world: World, { snapshot, cow, decoded, merging }: Found, disk: FakeDisk): void {
  const name = world.name(snapshot);
  const { store, chunkSectors, index, readOnly, passdown, room } = snapshot;
  const origin = world.volume.origin.bytes;
  const status = world.volume.core.status(index).text;
  if (decoded.state === "invalid") {
    world.found?.({ name, origin: origin.slice(), cow, view: undefined, status });
    return dropInvalid(world, index);
  }
  const view = viewOf(decoded, cow, origin);
  const { error, bytes } = world.readWhole(merging ? undefined : index);
  world.must(error === 0 ? undefined : errnoName(error), name);
  world.must(same(bytes, view) ? undefined : "reads otherwise than its bytes say", name);
  world.found?.({ name, origin: origin.slice(), cow, view, status });
  // Chunks that were handed out and not committed are holes now (S-6): an exact size may not suffice any more.
  world.snapshots.set(index, {
    ...{ index, store, chunkSectors, disk, readOnly, passdown, roomy: false, dropped: false },
    ...{ since: 0, of: undefined, room, model: modelOf(stampsOf(bytes)) },
  });
}

function dropInvalid(world: World, index: number): void {
  const { volume } = world;
  const operation = volume.order((id) => volume.core.dropSnapshot(id, index));
  world.stepUntil(() => volume.results.has(operation));
  world.must(volume.results.get(operation)?.error === 0 ? undefined : "an invalid snapshot stays", `snapshot ${index}`);
  volume.detach(index);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
