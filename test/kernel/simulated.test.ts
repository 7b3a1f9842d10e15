/**
 * Images of simulated lives, as a power cut has left them: the real kernel sees what the engine sees. `npm run sim -- --kernel N`
 * has more of them.
 */
import { beforeEach, expect, test } from "vitest";
import { requireOracle } from "../support/dm-oracle.ts";
import { askKernel, GIVES_IMAGES, imageOf } from "../sim/kernel.ts";
import { replayLine, STEPS, type LifeKind } from "../sim/seeds.ts";
import type { CutImages } from "../sim/world.ts";

beforeEach(requireOracle);

const LIVES = [
  { from: 1, depth: "core", plain: false },
  { from: 1001, depth: "core", plain: true },
  { from: 2001, depth: "core", plain: false },
  { from: 3001, depth: "threads", plain: false },
  { from: 4001, depth: "threads", plain: true },
] as const;
type Life = (typeof LIVES)[number];

interface Found {
  readonly kind: LifeKind;
  readonly image: CutImages;
}

/** The first life from the seed on that gives one. */
function found({ from, depth, plain }: Life): Found {
  for (let seed = from; ; seed++) {
    const kind: LifeKind = { depth, seed, plain, steps: STEPS[depth], having: GIVES_IMAGES };
    const image = imageOf(kind);
    if (image !== undefined) return { kind, image };
  }
}

let judged:
  | Promise<ReadonlyMap<Life, { readonly kind: LifeKind; readonly difference: string | undefined }>>
  | undefined;

/** By one guest, for whoever asks first. */
async function judge(): NonNullable<typeof judged> {
  const all = LIVES.map(found);
  const differences = await askKernel(all.map(({ image }) => image));
  return new Map(LIVES.map((life, i) => [life, { kind: all[i].kind, difference: differences[i] }]));
}

test.each(LIVES)(
  "a life of depth $depth (plain: $plain) from seed $from on: view and status are the engine's (S-71, S-72, S-80…S-84)",
  async (life) => {
    judged ??= judge();
    const { kind, difference } = (await judged).get(life)!;
    expect(difference, replayLine(kind)).toBeUndefined();
  },
);
