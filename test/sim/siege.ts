/**
 * An origin write under siege: reads of a snapshot around it that never cease (C-24).
 *
 *   reads     ─────   ─────   ─────   ─────      at every moment some of the bucket are on their way to the origin
 *                 ─────   ─────   ─────
 *   write     ──────────────────────▶ must end all the same
 *
 * With one counter of tracked reads it never would. A drain at the end of a life cannot see that: nobody reads any more.
 */
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { stamped } from "./register-model.ts";
import type { World } from "./world.ts";

const READERS = 20;
/** Far more than all that may be under way needs to end. */
const STEPS_MAX = 20_000;

export function besiege(world: World): void {
  const { volume, random, swarm } = world;
  const snapshots = world.live();
  if (snapshots.length === 0 || world.merging >= 0) return;
  const snapshot = random.pick(snapshots);
  const { chunkSectors } = snapshot;
  const chunks = Math.floor(swarm.originSectors / chunkSectors);
  const chunk = random.below(chunks);
  const mates = volume.bucketMates(chunk).filter((mate) => mate >= 0 && mate < chunks);
  if (mates.length === 0) return;
  volume.stalled = -1;
  let left = 1;
  const stamp = world.stamp++;
  const end = world.origin.begin(chunk * chunkSectors, 1, stamp, world.clock);
  const at = chunk * chunkSectors * SECTOR_BYTES;
  world.note(`siege of ${world.name(snapshot)} at chunk ${chunk}: write ${stamp}`);
  world.ask(undefined, { kind: "write", at, data: stamped(1, stamp), fua: false, zeroes: false, alone: false }, (e) => {
    end(e, world.clock);
    left -= 1;
  });
  let reading = 0;
  const read = (): void => {
    const near = random.pick(mates);
    const into = new Uint8Array(SECTOR_BYTES);
    reading += 1;
    world.ask(snapshot, { kind: "read", at: near * chunkSectors * SECTOR_BYTES, into }, () => {
      reading -= 1;
    });
  };
  const last = world.clock + STEPS_MAX;
  while (left > 0) {
    world.must(world.clock < last ? undefined : "a write waits for ever while others read (C-24)", "origin");
    while (reading < READERS) read();
    world.steps(1);
  }
  world.count("siege");
}
