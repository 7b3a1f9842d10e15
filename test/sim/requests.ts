/**
 * The clients of a life: reads, writes, zeroes, trims, flushes and FUA writes of any size, on the origin and on snapshots.
 */
import { errno } from "../../src/base/errno.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import type { Fault } from "../support/core/fake-disk.ts";
import { stamped, stampsOf, type RegisterModel } from "./register-model.ts";
import type { SimulatedSnapshot, World } from "./world.ts";

/** Some requests at once, now and then all to one snapshot: they meet each other. */
export function requests(world: World): void {
  const { random } = world;
  const snapshots = world.live();
  const many = random.chance(10) ? 1 + random.below(8) : 1;
  const of = many > 1 && snapshots.length > 0 && random.chance(50) ? random.pick(snapshots) : undefined;
  for (let i = 0; i < many; i++) request(world, of);
}

/** One request, of any kind, to any volume or to the one given. */
export function request(world: World, of?: SimulatedSnapshot): void {
  const { random, swarm } = world;
  const { weights } = swarm;
  const choice = random.below(100);
  const toSnapshot = random.chance(weights.toSnapshot);
  const snapshots = world.live();
  const snapshot = of ?? (toSnapshot && snapshots.length > 0 ? random.pick(snapshots) : undefined);
  const model = snapshot === undefined ? world.origin : snapshot.model;
  if (model === undefined) return;
  if (choice < weights.write) write(world, snapshot, model);
  else if (choice < weights.write + weights.read || !swarm.on.has("flushes")) read(world, snapshot, model);
  else flush(world, snapshot, model);
}

/** Reads of a snapshot, and at once writes of the origin to the same place: they are on their way together (C-4, C-24). */
export function chase(world: World): void {
  const snapshots = world.live();
  if (snapshots.length === 0) return;
  const { first, count } = range(world);
  const snapshot = world.random.pick(snapshots);
  for (let i = 1 + world.random.below(3); i > 0; i--) read(world, snapshot, snapshot.model!, { first, count });
  world.steps(world.random.below(4));
  // Or the copy fails, and the write goes on (E-15).
  const fails = world.random.chance(30) && world.swarm.on.has("cowFaults");
  const { disk } = snapshot;
  const { fault } = disk;
  let once = true;
  const failOnce: Fault = (kind, position, length) => {
    if (kind !== "write" || !once) return fault(kind, position, length);
    once = false;
    return errno.EIO;
  };
  if (fails) disk.fault = failOnce;
  write(world, undefined, world.origin, { first, count });
}

/** All chunks are needed at once, the reserved ones among them, while workers fill some of these. */
export function brim(world: World): void {
  const { random, swarm, volume } = world;
  const snapshots = world.live().filter((snapshot) => snapshot.roomy);
  if (snapshots.length === 0 || world.merging >= 0) return;
  const snapshot = random.pick(snapshots);
  const { index, chunkSectors } = snapshot;
  const chunks = Math.ceil(swarm.originSectors / chunkSectors);
  const writeSome = (from: number): void => {
    for (let i = 4 + random.below(6); i > 0; i--) {
      const first = from + random.below(swarm.originSectors - from);
      write(world, snapshot, snapshot.model!, { first, count: 1 });
    }
  };
  // Whoever has written holds chunks in reserve.
  writeSome(0);
  world.steps(50 + random.below(200));
  writeSome(0);
  world.steps(random.below(16));
  write(world, undefined, world.origin, { first: 0, count: swarm.originSectors });
  const left = 4 + random.below(10);
  for (let i = 0; i < BRIM_STEPS; i++) {
    if (world.snapshots.get(index) !== snapshot || volume.entries(index) > chunks - left) break;
    world.steps(1);
  }
  writeSome(Math.max(0, swarm.originSectors - left * chunkSectors));
}

/** So long it takes at most until a store is nearly full. */
const BRIM_STEPS = 2000;

interface Range {
  readonly first: number;
  readonly count: number;
}

function range(world: World): Range {
  const { random, swarm } = world;
  const large = random.chance(20) && swarm.on.has("largeRequests");
  const count = 1 + random.below(large ? 30 : 6);
  const first = random.below(swarm.originSectors);
  return { first, count: Math.min(count, swarm.originSectors - first) };
}

function write(world: World, snapshot: SimulatedSnapshot | undefined, model: RegisterModel, at?: Range): void {
  const { random, swarm } = world;
  // A flood over everything fills a small store at once.
  const flood = random.chance(5) && swarm.on.has("floods");
  const { first, count } = at ?? (flood ? { first: 0, count: swarm.originSectors } : range(world));
  const zeroes = random.chance(10) && swarm.on.has("zeroes");
  const fua = random.chance(15) && swarm.on.has("fua");
  const alone = random.chance(10) && swarm.on.has("exclusives") && !fua;
  if (zeroes && random.chance(snapshot?.passdown === true ? 70 : 30)) return trim(world, snapshot, model, first, count);
  const stamp = zeroes ? 0 : world.stamp++;
  const data = stamped(count, stamp);
  const end = snapshot?.readOnly === true ? () => {} : model.begin(first, count, stamp, world.clock);
  world.note(`write ${stamp}${fua ? " FUA" : ""} to ${world.name(snapshot)} ${first}+${count}`);
  world.ask(snapshot, { kind: "write", at: first * SECTOR_BYTES, data, fua, zeroes, alone }, (error) => {
    world.note(`write ${stamp} ends: ${error}`);
    end(error, world.clock, fua);
  });
}

/** Advisory: each sector may be zero from now on, or keep what it has, for ever. */
function trim(
  world: World,
  snapshot: SimulatedSnapshot | undefined,
  model: RegisterModel,
  first: number,
  count: number,
): void {
  const discard = { first, count };
  if (snapshot?.readOnly === true) discard.count = 0;
  const passed = snapshot?.passdown === true;
  // S-80 exempts what a discard has taken from the origin: in every view it may be gone, for ever.
  const all = [world.origin, ...[...world.snapshots.values()].map((one) => one.model)];
  for (const one of new Set(passed ? all : [model])) one?.begin(first, discard.count, 0, world.clock);
  if (passed) world.discards.add(discard);
  world.note(`trim ${world.name(snapshot)} ${first}+${count}`);
  world.ask(snapshot, { kind: "trim", at: first * SECTOR_BYTES, length: count * SECTOR_BYTES }, (error) => {
    if (error === 0 && snapshot === undefined) world.count(world.volume.keepsTrims ? "trim kept" : "trim preserved");
    // Of a connection that was closed nobody knows what is still under way.
    if (error !== errno.ESHUTDOWN) world.discards.delete(discard);
  });
}

function read(world: World, snapshot: SimulatedSnapshot | undefined, model: RegisterModel, at?: Range): void {
  const { random, swarm } = world;
  const whole = random.chance(15) && swarm.on.has("largeRequests");
  const { first, count } = at ?? (whole ? { first: 0, count: swarm.originSectors } : range(world));
  const into = new Uint8Array(count * SECTOR_BYTES);
  const start = world.clock;
  world.note(`read ${world.name(snapshot)} ${first}+${count}`);
  world.ask(snapshot, { kind: "read", at: first * SECTOR_BYTES, into }, (error) => {
    world.note(`read of ${start} ends: ${error}, ${stampsOf(into).join(" ")}`);
    if (error === 0) world.must(model.check(first, stampsOf(into), start, world.clock), world.name(snapshot));
  });
}

function flush(world: World, snapshot: SimulatedSnapshot | undefined, model: RegisterModel): void {
  const start = world.clock;
  world.note(`flush ${world.name(snapshot)}`);
  world.ask(snapshot, { kind: "flush" }, (error) => {
    world.note(`flush of ${start} ends: ${error}`);
    if (error === 0) model.flushed(start);
  });
}
