/**
 * Recordings of every kind, one after the other, each cut many times and opened again: what the test does a little of, and
 * `npm run powercut` a lot.
 */
import { SeededRandom } from "../support/core/seeded-random.ts";
import { type CheckedCut, checkedCuts } from "./images.ts";
import { record, type Recording } from "./recording.ts";
import { Reopening } from "./reopening.ts";
import { makeScene, type SceneKind } from "./scene.ts";

export interface Share {
  readonly images: number;
  /** Of the images, so many are opened by the library, and so many stores loaded by the kernel, and so many merged. */
  readonly library: number;
  readonly kernel: number;
  readonly merges: number;
}

export interface Tally {
  recordings: number;
  events: number;
  requests: number;
  images: number;
  stores: number;
  exceptions: number;
  libraryOpens: number;
  kernelLoads: number;
  merges: number;
}

export function emptyTally(): Tally {
  const nothing = { recordings: 0, events: 0, requests: 0, images: 0, stores: 0, exceptions: 0 };
  return { ...nothing, libraryOpens: 0, kernelLoads: 0, merges: 0 };
}

/** Makes one recording and looks at its cuts. Throws where the promise is broken. */
export async function runRecording(seed: number, kind: SceneKind, share: Share, tally: Tally): Promise<Recording> {
  const recording = await record(makeScene(seed, kind));
  tally.recordings += 1;
  tally.events += recording.end;
  tally.requests += recording.requests;
  await lookAt(recording, share, tally);
  return recording;
}

async function lookAt(recording: Recording, share: Share, tally: Tally): Promise<void> {
  const { seed } = recording.scene;
  const random = new SeededRandom(seed + 3);
  const reopening = await Reopening.of(recording);
  try {
    const library = spread(share.library, share.images);
    const kernel = spread(share.kernel, share.images);
    const merges = spread(share.merges, share.images);
    for (const cut of checkedCuts(recording, seed, share.images)) {
      const number = tally.images++;
      count(cut, tally);
      await explained(recording, cut, async () => {
        reopening.offline(cut);
        if (kernel(number)) tally.kernelLoads += await reopening.kernel(cut, tally.kernelLoads);
        if (library(number)) tally.libraryOpens += await reopening.library(cut, registerAt(recording, cut.at, random));
        // From a merge on the first snapshot's view is the promise; before, merging any is as good a test.
        if (merges(number)) tally.merges += reopening.merge(cut, cut.at >= recording.mergedFrom ? "a" : "b");
      });
    }
  } finally {
    await reopening.remove();
  }
}

function count({ found }: CheckedCut, tally: Tally): void {
  for (const { state, exceptions } of found) {
    if (state === "active") tally.stores += 1;
    tally.exceptions += exceptions;
  }
}

/** Of `total` numbers in a row, which `some` are chosen: evenly. */
function spread(some: number, total: number): (number: number) => boolean {
  if (some === 0) return () => false;
  const step = total / some;
  return (number) => Math.floor((number + step / 2) % step) === 0;
}

/** The register that may be there after a cut: the last durable one, or one behind it that was under way. */
function registerAt({ log }: Recording, at: number, random: SeededRandom): string | undefined {
  const durable = log.texts.findLastIndex(({ end }) => end <= at);
  const last = log.texts.findLastIndex(({ begin }) => begin <= at);
  const chosen = durable + random.below(last - durable + 1);
  return chosen < 0 ? undefined : log.texts[chosen].text;
}

async function explained(
  recording: Recording,
  { at, cut, images }: CheckedCut,
  body: () => Promise<void>,
): Promise<void> {
  try {
    await body();
  } catch (error) {
    const { kind, seed } = recording.scene;
    const message = `${kind} ${seed}, cut at ${at} of ${recording.end}, ${cut}: ${(error as Error).message}`;
    throw Object.assign(new Error(message, { cause: error }), { images: images.map((image) => image.slice()) });
  }
}
