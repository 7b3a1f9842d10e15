/**
 * Images of simulated lives, as a power cut has left them: the real kernel sees what the engine sees. `npm run sim -- --kernel N`
 * has more of them.
 */
import { beforeEach, expect, test } from "vitest";
import { requireOracle } from "../support/dm-oracle.ts";
import { askKernel, GIVES_IMAGES, imageOf } from "../sim/kernel.ts";
import { replayLine, STEPS, type LifeKind } from "../sim/seeds.ts";

beforeEach(requireOracle);

test.each([
  { from: 1, depth: "core", plain: false },
  { from: 1001, depth: "core", plain: true },
  { from: 2001, depth: "core", plain: false },
  { from: 3001, depth: "threads", plain: false },
  { from: 4001, depth: "threads", plain: true },
] as const)(
  "a life of depth $depth (plain: $plain) from seed $from on: view and status are the engine's (S-71, S-72, S-80…S-84)",
  async ({ from, depth, plain }) => {
    for (let seed = from; ; seed++) {
      const kind: LifeKind = { depth, seed, plain, steps: STEPS[depth], having: GIVES_IMAGES };
      const image = imageOf(kind);
      if (image === undefined) continue;
      expect(await askKernel(image), replayLine(kind)).toBeUndefined();
      return;
    }
  },
);
