/**
 * The power fails, or the process is killed: everything is opened again from what there is, and S-80…S-84 are looked at.
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
import { candidates, type SimulatedSnapshot, type World } from "./world.ts";

type Death = "cut" | "kill";

/** A snapshot before the death, and what may be said of it after. */
interface Candidate {
  readonly snapshot: SimulatedSnapshot;
  readonly mayBeInvalid: boolean;
  readonly model: RegisterModel;
}

/** The power fails now. */
export function cutPower(world: World): void {
  world.note("the power fails");
  const { origin, found } = inspect(world, "cut");
  world.volume.end();
  reopen(world, world.newOrigin(origin), found, (cow) => world.newCow(cow.slice()));
  world.count("crash");
}

/** The process is killed now; the disks go on. */
export function killProcess(world: World): void {
  world.note("the process is killed");
  const { volume } = world;
  volume.die();
  const { found } = inspect(world, "kill");
  // Whatever was wrong with a disk, it is well again, or nobody could open it.
  for (const disk of [volume.origin, ...found.map(({ snapshot }) => snapshot.disk)]) {
    disk.fault = () => 0;
    disk.failures = 0;
  }
  reopen(world, volume.origin, found, (_cow, { disk }) => disk);
  world.count("kill");
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
  for (const candidate of candidatesOf(world)) {
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

/** A kill takes nothing that was acknowledged, but for exceptions of snapshot writes that were only visible (S-57). */
function wrong(
  { clock, swarm }: World,
  death: Death,
  what: "origin" | "snapshot",
  model: RegisterModel,
  bytes: Uint8Array,
): string | undefined {
  const values = stampsOf(bytes);
  const keepsAll = death === "kill" && (what === "origin" || swarm.plain);
  return keepsAll ? model.check(0, values, clock, clock) : model.checkCrash(values);
}

function decode(world: World, snapshot: SimulatedSnapshot, cow: Uint8Array): DecodedStore {
  try {
    return decodeStore(cow, world.volume.origin.bytes.length);
  } catch (error) {
    throw new Error(`${world.name(snapshot)}: after the crash ${(error as Error).message}`, { cause: error });
  }
}
