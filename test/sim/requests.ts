/**
 * The clients of a life: reads, writes, zeroes, trims, flushes and FUA writes of any size, on the origin and on snapshots.
 */
import { SECTOR_BYTES } from "../../src/base/units.ts";
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

function range(world: World): { readonly first: number; readonly count: number } {
  const { random, swarm } = world;
  const large = random.chance(20) && swarm.on.has("largeRequests");
  const count = 1 + random.below(large ? 30 : 6);
  const first = random.below(swarm.originSectors);
  return { first, count: Math.min(count, swarm.originSectors - first) };
}

function write(world: World, snapshot: SimulatedSnapshot | undefined, model: RegisterModel): void {
  const { random, swarm } = world;
  // A flood over everything fills a small store at once.
  const flood = random.chance(5) && swarm.on.has("floods");
  const { first, count } = flood ? { first: 0, count: swarm.originSectors } : range(world);
  const zeroes = random.chance(10) && swarm.on.has("zeroes");
  const fua = random.chance(15) && swarm.on.has("fua");
  const alone = random.chance(10) && swarm.on.has("exclusives") && !fua;
  const at = first * SECTOR_BYTES;
  if (zeroes && random.chance(30)) return trim(world, snapshot, model, first, count);
  const stamp = zeroes ? 0 : world.stamp++;
  const data = stamped(count, stamp);
  const end = model.begin(first, count, stamp, world.clock);
  world.note(`write ${stamp}${fua ? " FUA" : ""} to ${world.name(snapshot)} ${first}+${count}`);
  world.ask(snapshot, { kind: "write", at, data, fua, zeroes, alone }, (error) => {
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
  model.begin(first, count, 0, world.clock);
  world.note(`trim ${world.name(snapshot)} ${first}+${count}`);
  world.ask(snapshot, { kind: "trim", at: first * SECTOR_BYTES, length: count * SECTOR_BYTES }, () => {});
}

function read(world: World, snapshot: SimulatedSnapshot | undefined, model: RegisterModel): void {
  const { random, swarm } = world;
  const whole = random.chance(15) && swarm.on.has("largeRequests");
  const { first, count } = whole ? { first: 0, count: swarm.originSectors } : range(world);
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
