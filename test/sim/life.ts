/**
 * What comes from outside to one volume, step by step: the part of a life that is the same whether the volume is alone or beside others.
 *
 *   begin   a store that somebody else has made, disks that will fail
 *   happen  by the weights of its swarm: requests, orders, a timer's end, a death; a disk that is slow for a while
 *
 * Steps and answers are the business of whoever lives it (simulation.ts, together.ts).
 */
import { breakSometimes, createSnapshot, dropSnapshot, growCow, openPrefilled, startOrStopMerge } from "./orders.ts";
import { cutPower, glanceAtCut, killProcess } from "./power-cut.ts";
import { brim, chase, requests } from "./requests.ts";
import { answerRooms } from "./rooms.ts";
import { besiege } from "./siege.ts";
import type { World } from "./world.ts";

/** A slow disk is slow for so many steps at most. */
const SLOW_STEPS = 60;

export class Life {
  readonly world: World;
  #step = 0;
  #slowUntil = 0;

  constructor(world: World) {
    this.world = world;
  }

  begin(): void {
    const { world } = this;
    const { plain, on } = world.swarm;
    world.note(`${plain ? "plain, " : ""}with ${[...on].join(" ")}`);
    if (on.has("prefilledStores")) openPrefilled(world);
    breakSometimes(world, world.volume.origin, "originFaults");
  }

  /** One step of it. */
  happen(): void {
    const { world } = this;
    const { random, swarm } = world;
    this.#events();
    answerRooms(world);
    const { volume } = world;
    if (swarm.on.has("slowDisks") && volume.stalled < 0 && world.perMille(swarm.weights.slow)) {
      volume.stalled = random.pick([0, ...volume.indices.map((index) => 1 + index)]);
      this.#slowUntil = this.#step + random.below(SLOW_STEPS);
    } else if (this.#step >= this.#slowUntil) volume.stalled = -1;
    this.#step += 1;
  }

  #events(): void {
    const { world } = this;
    const { on, weights } = world.swarm;
    if (world.perMille(weights.request)) requests(world);
    if (on.has("chases") && world.perMille(weights.chase)) chase(world);
    if (on.has("brims") && world.perMille(weights.brim)) brim(world);
    if (on.has("sieges") && world.perMille(weights.siege)) besiege(world);
    if (world.perMille(weights.create)) createSnapshot(world);
    if (on.has("drops") && world.perMille(weights.drop)) dropSnapshot(world);
    if (on.has("growth") && world.perMille(weights.grow)) growCow(world);
    if (on.has("merges") && world.perMille(weights.merge)) startOrStopMerge(world);
    if (on.has("timers") && world.perMille(weights.timer)) world.volume.fireTimer();
    if (on.has("pacedMerges") && world.perMille(weights.pace)) world.volume.mergeContinue();
    if (on.has("kills") && world.perMille(weights.kill)) killProcess(world);
    if (!on.has("crashes")) return;
    if (world.perMille(weights.crash)) cutPower(world);
    else if (world.perMille(world.promised ? 10 * weights.glance : weights.glance)) glanceAtCut(world);
  }
}
