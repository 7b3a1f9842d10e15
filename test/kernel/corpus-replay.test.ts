/**
 * Every operation list of the corpus, replayed on our engine: the same answers, status and views as the kernel's, and after a
 * close byte-identical images, with early acknowledgement (S-57) on and off.
 *
 * Not replayed: images that were patched or cut afterwards, and power cuts. The images of `no-room-for-next-area` differ,
 * because the kernel loses the whole snapshot there (S-42); its status does not.
 */
import { expect, test } from "vitest";
import {
  corpusCases,
  corpusImage,
  filledImage,
  operations,
  statusText,
  type CorpusCase,
} from "../support/core/corpus.ts";
import { FakeDisk } from "../support/core/fake-disk.ts";
import { OpReplay, type OpAnswer } from "../support/core/op-replay.ts";
import { sha256 } from "../support/core/volume.ts";

const replayed = corpusCases().filter((entry) => entry.power_cut_after_writes === undefined);

for (const early of [true, false]) {
  for (const entry of replayed) {
    test(`${entry.name} replayed with S-57 ${early ? "on" : "off"}: ${entry.about}`, () => {
      const ops = operations(entry);
      const origin = new FakeDisk(filledImage(entry.origin.size, entry.origin.fills));
      const cows = entry.cows.map((cow) => ({
        disk: new FakeDisk(filledImage(cow.size, cow.fills)),
        store: cow.persistent,
        chunkSectors: cow.chunk,
      }));
      const replay = new OpReplay({ origin, cows, features: entry.features, options: { early } }, ops);
      const answers = replay.run(ops);
      expect(answersOf(answers)).toEqual(kernelAnswers(entry));
      for (const cow of entry.cows) {
        expect(replay.volume.status(cow.index)).toBe(statusText(cow.created?.status));
        expect(replay.volume.hash(cow.index)).toBe(cow.created?.view_sha256 ?? cow.created?.view_errno);
      }
      replay.close();
      compareImages(
        entry,
        origin,
        cows.map(({ disk }) => disk),
      );
    });
  }
}

function answersOf(answers: readonly OpAnswer[]): readonly string[] {
  return answers.flatMap(({ answer }) => answer.split("; "));
}

/** Statuses are one line per snapshot, the rest one per operation. */
function kernelAnswers(entry: CorpusCase): readonly string[] {
  return (entry.results ?? []).map(
    (result) => statusText(result.text) ?? (result.errno ? String(result.errno) : result.sha256!),
  );
}

function compareImages(entry: CorpusCase, origin: FakeDisk, cows: readonly FakeDisk[]): void {
  // After the operations came merges, patches or cuts: the images from before the first merge were kept.
  const [first] = entry.steps;
  if (first !== undefined && first.do !== "merge") return;
  if (first === undefined) expect(sha256(origin.bytes)).toBe(entry.origin.sha256);
  else expect(Buffer.compare(origin.bytes, corpusImage(first.before_origin!))).toBe(0);
  if (entry.name === "no-room-for-next-area") return;
  cows.forEach((disk, i) => {
    const expected = corpusImage(first === undefined ? entry.cows[i]!.file : first.before_cow0!);
    expect(firstDifference(disk.bytes, expected)).toBe(-1);
  });
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  return a.findIndex((byte, i) => byte !== b[i]);
}
