/**
 * The power fails: everything is opened again from what the disks have kept, and S-80…S-84 are looked at.
 *
 *   bytes after the cut ──▶ store-decoder: its view fits the model
 *                       ──▶ loader, table, core, a read of everything: the same view, and nothing was written by opening
 */
import { errnoName } from "../../src/base/errno.ts";
import { SnapshotState } from "../../src/base/states.ts";
import type { NoticeKind } from "../../src/core/ports.ts";
import { candidates } from "./orders.ts";
import { RegisterModel, stampsOf } from "./register-model.ts";
import { decodeStore, viewOf, type DecodedStore } from "./store-decoder.ts";
import { modelOf, type SimulatedSnapshot, type World } from "./world.ts";

/** What was known of a snapshot outside of its store. */
interface Record {
  readonly registered: string | undefined;
  /** Its header or its registration could not be made invalid (S-70): nothing is promised any more. */
  readonly lost: boolean;
}

export function cutPower(world: World): void {
  const { shell, origin: disk } = world.volume;
  world.note("the power fails");
  world.forget();
  shell.stalled = -1;
  const origin = disk.crash(world.random);
  if (world.merging < 0) world.must(world.origin.checkCrash(stampsOf(origin)), "origin");
  const event: NoticeKind = world.swarm.on.has("registry") ? "register-failed" : "header-write-failed";
  const before = [...world.snapshots.values()].map((snapshot) => ({
    snapshot,
    record: {
      registered: shell.registry.get(snapshot.index),
      lost: shell.notices.some((notice) => notice.snapshot === snapshot.index && notice.event === event),
    },
    may: world.mayBeInvalid(snapshot),
    // Before the origin's model is a new one.
    model: snapshot.model ?? new RegisterModel(candidates(world, snapshot)),
  }));
  world.volume = world.newVolume(world.newDisk(origin));
  world.snapshots.clear();
  world.merging = -1;
  world.origin = modelOf(stampsOf(origin));
  for (const { snapshot, record, may, model } of before) reopen(world, snapshot, record, may, model);
  world.count("crash");
}

function reopen(
  world: World,
  snapshot: SimulatedSnapshot,
  record: Record,
  mayBeInvalid: boolean,
  model: RegisterModel,
): void {
  if (record.lost || record.registered === "invalid" || record.registered === "removed") return;
  // A creation that has not come to its registration has made nothing yet.
  if (snapshot.model === undefined && record.registered !== "active") return;
  const name = world.name(snapshot);
  const origin = world.volume.origin.bytes;
  const cow = snapshot.disk.crash(world.random);
  const decoded = decode(world, snapshot, cow);
  if (decoded.state === "invalid") {
    world.must(mayBeInvalid ? undefined : "is invalid after the crash for no reason", name);
    if (snapshot.dropped) return;
  } else {
    world.must(decoded.state === "active" ? undefined : "has no header after the crash", name);
    world.must(model.checkCrash(stampsOf(viewOf(decoded, cow, origin))), name);
  }
  const disk = world.newDisk(cow.slice());
  const { store, chunkSectors, index } = snapshot;
  const opened = world.volume.open(index, { disk, store, chunkSectors });
  world.must(same(disk.bytes, cow) ? undefined : "is written to by opening alone (S-84)", name);
  const invalid = opened.ports.state === SnapshotState.Invalid;
  world.must(invalid === (decoded.state === "invalid") ? undefined : "is opened in another state", name);
  if (invalid) return dropInvalid(world, index);
  const view = viewOf(decoded, cow, origin);
  const { error, bytes } = world.volume.read(index, 0, origin.length);
  world.must(error === 0 ? undefined : errnoName(error), name);
  world.must(same(bytes, view) ? undefined : "reads otherwise than its bytes say", name);
  // Chunks that were handed out and not committed are holes now (S-6): an exact size may not suffice any more.
  world.snapshots.set(index, {
    ...{ index, store, chunkSectors, disk, roomy: false, dropped: false },
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
  const { shell } = world.volume;
  const operation = shell.operation((id) => shell.core.dropSnapshot(id, index));
  shell.run();
  world.must(shell.results.get(operation)?.error === 0 ? undefined : "an invalid snapshot stays", `snapshot ${index}`);
  shell.detach(index);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
