/**
 * The power fails at any moment of a real server's life (S-80 … S-84): a volume works on lying devices that record what is written
 * and flushed; afterwards the recording is cut wherever one likes, and what may be left is opened again.
 *
 *   test/power-cuts:  recording ─▶ images ─▶ checker (its own decoder, ledgers) ─▶ reopening (offline, library, kernel)
 *
 * `npm run powercut` does it for as long as one likes.
 */
import { afterEach, expect, test } from "vitest";
import { emptyTally, runRecording } from "../power-cuts/campaign.ts";
import { checkedCuts } from "../power-cuts/images.ts";
import type { Recording } from "../power-cuts/recording.ts";
import type { Lie } from "../power-cuts/replay.ts";
import { KINDS } from "../power-cuts/scene.ts";
import { missingForOracle, requireOracle } from "../support/dm-oracle.ts";
import { requireFuse } from "../support/lying-device/fuse-folder.ts";
import { killVolumeProcesses } from "../support/volume-process.ts";

const IMAGES = 80;
/** Fresh ones every time would make the suite fail for others than who has changed something. */
const SEED = 1001;

afterEach(killVolumeProcesses);

/** The first one, for the lies. */
let recording: Recording | undefined;

test.for(KINDS.map((kind, i) => [kind, SEED + i] as const))(
  "S-80 S-81 S-82 S-83 S-84: cut at any moment, a life of kind %s keeps the promise (seed %i)",
  { timeout: 300_000 },
  async ([kind, seed], context) => {
    requireFuse(context);
    const tally = emptyTally();
    const kernel = missingForOracle().length > 0 ? 0 : kind === "live" ? 2 : 1;
    const recorded = await runRecording(seed, kind, { images: IMAGES, library: 1, kernel, merges: 8 }, tally);
    recording ??= recorded;
    expect(tally.images).toBe(IMAGES);
    expect(tally.exceptions).toBeGreaterThan(0);
    expect(tally.libraryOpens).toBeGreaterThan(0);
    if (kernel === 0) requireOracle(context);
    expect(tally.kernelLoads).toBeGreaterThan(0);
  },
);

const LIES: readonly (readonly [string, Lie])[] = [
  ["the origin's flushes make nothing durable", { flushes: [0] }],
  ["the COW devices' flushes make nothing durable", { flushes: [1, 2] }],
  ["the COW devices' durable writes are not", { durableWrites: [1, 2] }],
];

test.for(LIES)("the checker can fail: %s", ([, lie], context) => {
  requireFuse(context);
  const recorded = recording as Recording;
  // The recording is right: without the lie nothing is found.
  expect([...checkedCuts(recorded, SEED, 2 * IMAGES)].length).toBe(2 * IMAGES);
  expect(() => [...checkedCuts(recorded, SEED, 2 * IMAGES, lie)]).toThrow(/may hold|has no header|exception/);
});
