/**
 * The power fails, or the process is killed, or a volume has left its engine: everything is opened again from what there is, and S-80…S-84 are looked at.
 *
 *   power cut  what the disks have kept of what was not flushed: any of it
 *   kill       everything that was sent, flushed or not, and of what was under way some; it stays in the caches, for a later cut
 *
 *   bytes ──▶ store-decoder: its view fits the model
 *         ──▶ reopening.ts: the engine's word: the same view, and nothing was written by opening
 *
 * Whatever is read when the volume is opened again is certain and durable from then on (C-49), also what a kill has left in a cache:
 * the models of the life that goes on begin with it.
 */
import type { NoticeKind } from "../../src/core/ports.ts";
import { RegisterModel, stampsOf } from "./register-model.ts";
import { type Found, reopen } from "./reopening.ts";
import { decodeStore, viewOf, type DecodedStore } from "./store-decoder.ts";
import { candidates, candidatesOfCrash, type SimulatedSnapshot, type World } from "./world.ts";

type Death = "cut" | "kill";

/** A snapshot before the death, and what may be said of it after. */
interface Candidate {
  readonly snapshot: SimulatedSnapshot;
  readonly mayBeInvalid: boolean;
  readonly model: RegisterModel;
}

/** The power fails now, for all that are on the machine. */
export function cutPower(world: World): void {
  const { machine } = world;
  for (const one of machine.worlds) one.note("the power fails");
  const left = machine.worlds.map((one) => ({ one, ...inspect(one, "cut") }));
  for (const { one } of left) one.volume.end();
  machine.restart("cut");
  for (const { one, origin, found } of left) {
    reopen(one, one.newOrigin(origin), found, (cow) => one.newCow(cow.slice()));
    machine.serves(one);
  }
  world.count("crash");
}

/** The process is killed now, with all volumes that it has; the disks go on. */
export function killProcess(world: World): void {
  const { machine } = world;
  for (const one of machine.worlds) one.note("the process is killed");
  world.volume.die();
  for (const one of machine.worlds) if (one !== world) one.volume.end();
  machine.restart("kill");
  for (const one of machine.worlds) openAgain(one);
  world.count("kill");
}

/** Its volume is gone, and its disks are as it has left them. */
export function openAgain(world: World): void {
  const { volume } = world;
  const { found } = inspect(world, "kill");
  // Whatever was wrong with a disk, it is well again, or nobody could open it.
  for (const disk of [volume.origin, ...found.map(({ snapshot }) => snapshot.disk)]) {
    disk.fault = () => 0;
    disk.failures = 0;
  }
  reopen(world, volume.origin, found, (_cow, { disk }) => disk);
  world.machine.serves(world);
}

/** It has been closed for good: what it has left is looked at, as it is and as a cut would leave it. */
export function judgeDisks(world: World): void {
  inspect(world, "kill");
  if (world.swarm.on.has("crashes")) inspect(world, "cut");
}

/** The one or the other, as the life has it. */
export function die(world: World): void {
  const { on } = world.swarm;
  if (on.has("kills") && (!on.has("crashes") || world.random.chance(50))) killProcess(world);
  else if (on.has("crashes")) cutPower(world);
}

/** What if the power failed now: the bytes that might be left are looked at, and the life goes on. */
export function glanceAtCut(world: World): void {
  world.promised = false;
  inspect(world, "cut");
  world.count("glance");
}

/** Bytes that are left, and the stores in them that are promised to be right. */
function inspect(world: World, death: Death): { readonly origin: Uint8Array; readonly found: readonly Found[] } {
  const bytesOf = (disk: SimulatedSnapshot["disk"]): Uint8Array =>
    death === "cut" ? disk.crash(world.random) : disk.bytes.slice();
  const origin = bytesOf(world.volume.origin);
  if (world.merging < 0) world.must(wrong(world, death, "origin", world.origin, origin), "origin");
  const found: Found[] = [];
  for (const candidate of candidatesOf(world, death)) {
    const { snapshot } = candidate;
    const cow = bytesOf(snapshot.disk);
    const decoded = decode(world, snapshot, cow);
    check(world, death, candidate, decoded, cow, origin);
    const merging = decoded.state === "active" && isMerging(world, snapshot);
    if (decoded.state === "active" || !snapshot.dropped) found.push({ snapshot, cow, decoded, merging });
  }
  return { origin, found };
}

/** What is presented must be registered, and the other way round (E-36), but while the one follows the other. */
function isMerging(world: World, { index }: SimulatedSnapshot): boolean {
  const { merging, changesHands, volume } = world;
  const registered = volume.registry.get(index) === "merging";
  const same = registered === (merging === index) || changesHands === index || !world.swarm.on.has("registry");
  world.must(
    same ? undefined : `merges: ${merging === index}, and is registered as merging: ${registered}`,
    `${index}`,
  );
  return registered;
}

function candidatesOf(world: World, death: Death): readonly Candidate[] {
  const { volume } = world;
  const event: NoticeKind = world.swarm.on.has("registry") ? "register-failed" : "header-write-failed";
  const found: Candidate[] = [];
  for (const snapshot of world.snapshots.values()) {
    const registered = volume.registry.get(snapshot.index);
    const lost = volume.notices.some((notice) => notice.snapshot === snapshot.index && notice.event === event);
    if (snapshot.store === "N" || lost || registered === "invalid" || registered === "removed") continue;
    // A creation that has not come to its registration has made nothing yet.
    if (snapshot.model === undefined && registered !== "active") continue;
    const unfinished = death === "cut" ? candidatesOfCrash : candidates;
    const model = snapshot.model ?? new RegisterModel(unfinished(world, snapshot));
    found.push({ snapshot, mayBeInvalid: world.mayBeInvalid(snapshot), model });
  }
  return found;
}

/** S-80…S-83, by the bytes alone. */
function check(
  world: World,
  death: Death,
  { snapshot, mayBeInvalid, model }: Candidate,
  decoded: DecodedStore,
  cow: Uint8Array,
  origin: Uint8Array,
): void {
  const name = world.name(snapshot);
  if (decoded.state === "invalid") {
    world.must(mayBeInvalid ? undefined : "is invalid after the crash for no reason", name);
  } else {
    world.must(decoded.state === "active" ? undefined : "has no header after the crash", name);
    const what = snapshot.index === world.merging ? "origin" : "snapshot";
    world.must(wrong(world, death, what, model, viewOf(decoded, cow, origin)), name);
  }
}

/**
 * A kill takes nothing that was acknowledged, but for exceptions of snapshot writes that were only visible (S-57); and of what was closed in good
 * order nothing is taken by anything (E-42).
 */
function wrong(
  { clock, swarm, isClosedWell }: World,
  death: Death,
  what: "origin" | "snapshot",
  model: RegisterModel,
  bytes: Uint8Array,
): string | undefined {
  const values = stampsOf(bytes);
  const keepsAll = isClosedWell || (death === "kill" && (what === "origin" || swarm.plain));
  return keepsAll ? model.check(0, values, clock, clock) : model.checkCrash(values);
}

function decode(world: World, snapshot: SimulatedSnapshot, cow: Uint8Array): DecodedStore {
  try {
    return decodeStore(cow, world.volume.origin.bytes.length);
  } catch (error) {
    throw new Error(`${world.name(snapshot)}: after the crash ${(error as Error).message}`, { cause: error });
  }
}
