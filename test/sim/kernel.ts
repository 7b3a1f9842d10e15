/**
 * The real kernel's word on what a cut has left: images of simulated lives, loaded by dm-snapshot in User-Mode Linux.
 *
 *   life of a seed ──cut──▶ origin and COW images ──▶ engine: view, status ─┐
 *                                     └──▶ dm-oracle reads: view, status ───┴─▶ must agree
 *
 * A guest takes seconds, so each life gives one image: of those that its cuts leave, one that the seed draws.
 * Left out is what the kernel is known not to load: a full last area whose successor is not on the device (S-42).
 */
import { createHash } from "node:crypto";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { statusText } from "../support/core/corpus.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { OracleImages, type OracleRead } from "../support/dm-oracle.ts";
import type { LifeKind } from "./seeds.ts";
import { live } from "./simulation.ts";
import { decodeStore } from "./store-decoder.ts";
import type { Switch } from "./swarm.ts";
import type { CutImages } from "./world.ts";

/** Of lives that give images. */
export const GIVES_IMAGES: readonly Switch[] = ["crashes"];

/** One of the images that a life's cuts leave; undefined: there is none that the kernel loads and that says something. */
export function imageOf({ depth, seed, plain, steps, having }: LifeKind): CutImages | undefined {
  const found: CutImages[] = [];
  live({
    ...{ depth, seed, plain, steps, having: new Set(having) },
    found: (images) => isLoaded(images) && found.push(images),
  });
  return found.length === 0 ? undefined : new SeededRandom(seed).pick(found);
}

/** For each image undefined where the kernel agrees with the engine; else in what it does not. All are loaded in one guest. */
export async function askKernel(cuts: readonly CutImages[]): Promise<readonly (string | undefined)[]> {
  using images = new OracleImages();
  const pairs = cuts.map(
    ({ origin, cow }, i) => [images.put(`origin${i}.img`, origin), images.put(`cow${i}.img`, cow)] as const,
  );
  let reads = await images.readAll(pairs);
  // A machine that is busy may not run the guest in its time: that says nothing of the images, which the guest only reads.
  if (reads.some(({ guest }) => guest === "timeout")) reads = await images.readAll(pairs);
  return cuts.map((cut, i) => difference(cut, reads[i]));
}

function difference({ name, view, status }: CutImages, read: OracleRead): string | undefined {
  const kernel = { loads: read.load_errno, status: statusText(read.status), view: read.view_sha256 ?? undefined };
  const engine = { loads: 0, status, view: view && createHash("sha256").update(view).digest("hex") };
  if (read.guest !== "ok") return `${name}: the kernel gives no answer: ${JSON.stringify(read)}`;
  const agrees = JSON.stringify(kernel) === JSON.stringify(engine);
  if (agrees) return undefined;
  return `${name}: the kernel has ${JSON.stringify(kernel)}, the engine ${JSON.stringify(engine)}; ${read.dmesg.join("; ")}`;
}

function isLoaded({ cow, origin, view }: CutImages): boolean {
  const { chunkSectors, exceptions } = decodeStore(cow, origin.length);
  if (view === undefined) return true;
  if (exceptions.length === 0) return false;
  const perArea = chunkSectors * 32;
  const areas = 1 + Math.floor(exceptions.length / perArea);
  const end = (1 + (areas - 1) * (perArea + 1) + 1) * chunkSectors * SECTOR_BYTES;
  return end <= cow.length;
}
