/**
 * All the images of one recording that are wanted, in the order of time: every prefix of its log, or a sample of them, and as many
 * reorders at moments of the seed's choice.
 */
import { SeededRandom } from "../support/core/seeded-random.ts";
import { checkCut, type Found } from "./checker.ts";
import type { Recording } from "./recording.ts";
import { type Cut, CUTS, type Lie, Replay } from "./replay.ts";

export interface CheckedCut {
  readonly at: number;
  readonly cut: Cut;
  /** Of the origin and each COW device; valid until the next one is asked for. */
  readonly images: readonly Uint8Array[];
  readonly found: readonly Found[];
}

/** What a cut that is no prefix may be, each as often as another. */
const REORDERS = CUTS.filter((cut) => cut !== "prefix");

interface Moment {
  readonly at: number;
  readonly cut: Cut;
}

/** Checks `count` images of a recording, half of them prefixes if there are as many. Throws at the first that breaks the promise. */
export function* checkedCuts(recording: Recording, seed: number, count: number, lie: Lie = {}): Generator<CheckedCut> {
  const random = new SeededRandom(seed + 1);
  const replay = new Replay(recording.first, recording.log, lie);
  for (const { at, cut } of moments(recording, random, count)) {
    replay.moveTo(at);
    const images = replay.cut(cut, random);
    yield { at, cut, images, found: checked(recording, at, cut, images) };
  }
}

function checked(recording: Recording, at: number, cut: Cut, images: readonly Uint8Array[]): readonly Found[] {
  try {
    return checkCut(recording, at, images);
  } catch (error) {
    const { kind, seed } = recording.scene;
    throw new CutFailure(
      `${kind} ${seed}, cut at ${at} of ${recording.end}, ${cut}: ${(error as Error).message}`,
      images,
    );
  }
}

export class CutFailure extends Error {
  override readonly name = "CutFailure";
  readonly images: readonly Uint8Array[];

  constructor(message: string, images: readonly Uint8Array[]) {
    super(message);
    this.images = images;
  }
}

function moments({ log, end }: Recording, random: SeededRandom, count: number): readonly Moment[] {
  const ends = log.writes.map((write) => write.end).filter((at) => at < Infinity);
  const prefixes = Math.min(ends.length, Math.ceil(count / 2));
  const step = ends.length / prefixes;
  const wanted: Moment[] = Array.from({ length: prefixes }, (_, i) => ({
    at: ends[Math.floor(i * step)],
    cut: "prefix",
  }));
  while (wanted.length < count) wanted.push({ at: 1 + random.below(end), cut: random.pick(REORDERS) });
  return wanted.sort((a, b) => a.at - b.at);
}
