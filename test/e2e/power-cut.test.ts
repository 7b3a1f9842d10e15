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
import { checkCut } from "../power-cuts/checker.ts";
import { checkedCuts } from "../power-cuts/images.ts";
import { type Recording, record } from "../power-cuts/recording.ts";
import { Reopening } from "../power-cuts/reopening.ts";
import { type Lie, Replay } from "../power-cuts/replay.ts";
import { KINDS, makeScene, type SceneKind } from "../power-cuts/scene.ts";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { missingForOracle, requireOracle } from "../support/dm-oracle.ts";
import type { LoggedText } from "../support/lying-device/device-log.ts";
import { requireFuse } from "../support/lying-device/fuse-folder.ts";
import { killVolumeProcesses } from "../support/volume-process.ts";

const IMAGES = 80;
/** Fresh ones every time would make the suite fail for others than who has changed something. */
const SEED = 1001;

afterEach(killVolumeProcesses);

const seedOf = (kind: SceneKind): number => SEED + KINDS.indexOf(kind);
const recordings = new Map<SceneKind, Recording>();

/** The one that the tests before have made, or one for a test that runs alone. */
async function recordingOf(kind: SceneKind): Promise<Recording> {
  const recorded = recordings.get(kind) ?? (await record(makeScene(seedOf(kind), kind)));
  recordings.set(kind, recorded);
  return recorded;
}

test.for(KINDS.map((kind) => [kind, seedOf(kind)] as const))(
  "S-80 S-81 S-82 S-83 S-84: cut at any moment, a life of kind %s keeps the promise (seed %i)",
  { timeout: 300_000 },
  async ([kind, seed], context) => {
    requireFuse(context);
    const tally = emptyTally();
    const kernel = missingForOracle().length > 0 ? 0 : kind === "live" ? 2 : 1;
    const recorded = await runRecording(seed, kind, { images: IMAGES, library: 1, kernel, merges: 8 }, tally);
    recordings.set(kind, recorded);
    expect(tally.images).toBe(IMAGES);
    expect(tally.exceptions).toBeGreaterThan(0);
    expect(tally.libraryOpens).toBeGreaterThan(0);
    if (kernel === 0) requireOracle(context);
    expect(tally.kernelLoads).toBeGreaterThan(0);
  },
);

test("S-70 S-84: opening tells the header what only the register has been told, and writes nothing else", async (context) => {
  requireFuse(context);
  // A cut between the two was rare, and was taken for an opening that changes a store.
  const recorded = await recordingOf("full");
  const told = recorded.log.texts.find(({ text }) => text.includes('"invalid"')) as LoggedText;
  const replay = new Replay(recorded.first, recorded.log);
  replay.moveTo(told.begin);
  const images = replay.cut("all lost", new SeededRandom(SEED));
  const found = checkCut(recorded, told.begin, images);
  expect(found.map(({ state }) => state)).toEqual(["active", "active"]);
  const reopening = await Reopening.of(recorded);
  try {
    expect(await reopening.library({ at: told.begin, cut: "all lost", images, found }, told.text)).toBe(2);
  } finally {
    await reopening.remove();
  }
});

const LIES: readonly (readonly [string, Lie])[] = [
  ["the origin's flushes make nothing durable", { flushes: [0] }],
  ["the COW devices' flushes make nothing durable", { flushes: [1, 2] }],
  ["the COW devices' durable writes are not", { durableWrites: [1, 2] }],
];

test.for(LIES)("the checker can fail: %s", async ([, lie], context) => {
  requireFuse(context);
  const recorded = await recordingOf("plain");
  // The recording is right: without the lie nothing is found.
  expect([...checkedCuts(recorded, SEED, 2 * IMAGES)].length).toBe(2 * IMAGES);
  expect(() => [...checkedCuts(recorded, SEED, 2 * IMAGES, lie)]).toThrow(/may hold|has no header|exception/);
});

/** What the checker says; "": nothing. */
function wrongOf(check: () => unknown): string {
  try {
    check();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

test("the checker can fail: a killed process had not flushed, and the opening after it does not either (C-49)", async (context) => {
  requireFuse(context);
  // What the killed process had under way differs from life to life, and now and then nothing of it matters.
  let found = "";
  for (let trial = 0; found === "" && trial < 5; trial++) {
    const recorded = trial === 0 ? await recordingOf("killed") : await record(makeScene(SEED + 100 * trial, "killed"));
    expect(recorded.openings.length).toBe(2);
    found = wrongOf(() => [...checkedCuts(recorded, SEED, 4 * IMAGES, { missing: recorded.openings })]);
  }
  expect(found).toMatch(/may hold|has no header|exception/);
});
