/**
 * The power fails: everything is opened again from what the disks have kept, and S-80…S-84 are looked at.
 *
 *   bytes after the cut ──▶ store-decoder: its view fits the model
 *                       ──▶ loader, table, core, a read of everything: the same view, and nothing was written by opening
 *                       ──▶ now and then the real kernel (kernel.ts): the same view and the same status
 */
import { errnoName } from "../../src/base/errno.ts";
import { SnapshotState } from "../../src/base/states.ts";
import type { NoticeKind } from "../../src/core/ports.ts";
import { candidates } from "./orders.ts";
import { RegisterModel, stampsOf } from "./register-model.ts";
import { decodeStore, viewOf, type DecodedStore } from "./store-decoder.ts";
import { modelOf, type SimulatedSnapshot, type World } from "./world.ts";

/** A snapshot before the cut, and what may be said of it after. */
interface Candidate {
  readonly snapshot: SimulatedSnapshot;
  readonly mayBeInvalid: boolean;
  readonly model: RegisterModel;
}

interface Found {
  readonly snapshot: SimulatedSnapshot;
  readonly cow: Uint8Array;
  readonly decoded: DecodedStore;
}

/** The power fails now. */
export function cutPower(world: World): void {
  world.note("the power fails");
  const { origin, found } = inspect(world);
  world.forget();
  world.volume.end();
  world.volume = world.newVolume(world.newOrigin(origin));
  world.snapshots.clear();
  world.merging = -1;
  world.origin = modelOf(stampsOf(origin));
  for (const one of found) reopen(world, one);
  world.count("crash");
}

/** What if the power failed now: the bytes that might be left are looked at, and the life goes on. */
export function glanceAtCut(world: World): void {
  world.promised = false;
  inspect(world);
  world.count("glance");
}

/** Bytes that a cut may leave, and the stores in them that are promised to be right. */
function inspect(world: World): { readonly origin: Uint8Array; readonly found: readonly Found[] } {
  const origin = world.volume.origin.crash(world.random);
  if (world.merging < 0) world.must(world.origin.checkCrash(stampsOf(origin)), "origin");
  const found: Found[] = [];
  for (const candidate of candidatesOf(world)) {
    const { snapshot } = candidate;
    const cow = snapshot.disk.crash(world.random);
    const decoded = decode(world, snapshot, cow);
    check(world, candidate, decoded, cow, origin);
    if (decoded.state === "active" || !snapshot.dropped) found.push({ snapshot, cow, decoded });
  }
  return { origin, found };
}

function candidatesOf(world: World): readonly Candidate[] {
  const { volume } = world;
  const event: NoticeKind = world.swarm.on.has("registry") ? "register-failed" : "header-write-failed";
  const found: Candidate[] = [];
  for (const snapshot of world.snapshots.values()) {
    const registered = volume.registry.get(snapshot.index);
    const lost = volume.notices.some((notice) => notice.snapshot === snapshot.index && notice.event === event);
    if (snapshot.store === "N" || lost || registered === "invalid" || registered === "removed") continue;
    // A creation that has not come to its registration has made nothing yet.
    if (snapshot.model === undefined && registered !== "active") continue;
    const model = snapshot.model ?? new RegisterModel(candidates(world, snapshot));
    found.push({ snapshot, mayBeInvalid: world.mayBeInvalid(snapshot), model });
  }
  return found;
}

/** S-80…S-83, by the bytes alone. */
function check(world: World, candidate: Candidate, decoded: DecodedStore, cow: Uint8Array, origin: Uint8Array): void {
  const { snapshot, mayBeInvalid, model } = candidate;
  const name = world.name(snapshot);
  if (decoded.state === "invalid") {
    world.must(mayBeInvalid ? undefined : "is invalid after the crash for no reason", name);
  } else {
    world.must(decoded.state === "active" ? undefined : "has no header after the crash", name);
    world.must(model.checkCrash(stampsOf(viewOf(decoded, cow, origin))), name);
  }
}

/** The engine's word: the same state and the same view, and opening alone writes nothing (S-84). */
function reopen(world: World, { snapshot, cow, decoded }: Found): void {
  const name = world.name(snapshot);
  const origin = world.volume.origin.bytes;
  const disk = world.newCow(cow.slice());
  const { store, chunkSectors, index, readOnly, passdown } = snapshot;
  world.volume.open(index, { disk, store, chunkSectors, readOnly, passdown });
  world.must(same(disk.bytes, cow) ? undefined : "is written to by opening alone (S-84)", name);
  const invalid = world.volume.state(index) === SnapshotState.Invalid;
  world.must(invalid === (decoded.state === "invalid") ? undefined : "is opened in another state", name);
  const status = world.volume.core.status(index).text;
  if (invalid) {
    world.found?.({ name, origin: origin.slice(), cow, view: undefined, status });
    return dropInvalid(world, index);
  }
  const view = viewOf(decoded, cow, origin);
  const { error, bytes } = world.readWhole(index);
  world.must(error === 0 ? undefined : errnoName(error), name);
  world.must(same(bytes, view) ? undefined : "reads otherwise than its bytes say", name);
  world.found?.({ name, origin: origin.slice(), cow, view, status });
  // Chunks that were handed out and not committed are holes now (S-6): an exact size may not suffice any more.
  world.snapshots.set(index, {
    ...{ index, store, chunkSectors, disk, readOnly, passdown, roomy: false, dropped: false },
    ...{ since: 0, of: undefined, model: modelOf(stampsOf(bytes)) },
  });
}

function decode(world: World, snapshot: SimulatedSnapshot, cow: Uint8Array): DecodedStore {
  try {
    return decodeStore(cow, world.volume.origin.bytes.length);
  } catch (error) {
    throw new Error(`${world.name(snapshot)}: after the crash ${(error as Error).message}`, { cause: error });
  }
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
