/**
 * Every merge of the corpus, from the images that the kernel began with: run by run (S-60…S-64) and in batches (S-69).
 *
 * A complete merge must give the kernel's origin and COW image byte for byte, either way. One that was stopped, that failed or that
 * lost its power is compared run by run, stopped where the kernel was.
 */
import { expect, test } from "vitest";
import { errno } from "../../src/base/errno.ts";
import { corpusCases, corpusImage, statusText, type CorpusCase, type CorpusStep } from "../support/core/corpus.ts";
import { FakeDisk } from "../support/core/fake-disk.ts";
import type { ShellOptions } from "../support/core/fake-shell.ts";
import { sha256, Volume } from "../support/core/volume.ts";

interface Started {
  readonly origin: FakeDisk;
  readonly cow: FakeDisk;
  readonly volume: Volume;
}

function start(entry: CorpusCase, step: CorpusStep, options: ShellOptions): Started {
  const origin = new FakeDisk(corpusImage(step.before_origin!));
  const cow = new FakeDisk(corpusImage(step.before_cow0!));
  const volume = new Volume(origin, options);
  volume.open(0, { disk: cow, store: entry.cows[0]!.persistent, chunkSectors: 0 });
  expect(volume.status(0)).toBe(statusText(step.result!.initial_status));
  return { origin, cow, volume };
}

function expectImages({ origin, cow }: Started, step: CorpusStep): void {
  expect(sha256(origin.bytes)).toBe(step.result!.origin_sha256);
  expect(sha256(cow.bytes)).toBe(step.result!.cow_sha256);
}

for (const entry of corpusCases()) {
  for (const [number, step] of entry.steps.entries()) {
    if (step.do !== "merge") continue;
    const named = `${entry.name}, step ${number}`;

    if (step.after_chunks !== undefined) {
      test(`${named}: stopped where the kernel stopped, the same images (S-60…S-65)`, () => {
        const started = start(entry, step, { mergeBatches: false, mergePaced: true });
        const { core } = started.volume.shell;
        started.volume.operation((operation) => core.mergeStart(operation, 0));
        while (started.volume.status(0) !== statusText(step.result!.status)) {
          core.mergeContinue();
          started.volume.shell.run();
        }
        expectImages(started, step);
        expect(started.volume.operation((operation) => core.mergeStop(operation, 0)).error).toBe(0);
      });
    } else if (step.fail_sector !== undefined) {
      test(`${named}: fails where the kernel failed, and a retry ends it (S-66, S-68)`, () => {
        const started = start(entry, step, { mergeBatches: false });
        const { core } = started.volume.shell;
        const bad = step.fail_sector! * 512;
        const view = started.volume.hash(0);
        started.origin.fault = (kind, position, length) =>
          kind === "write" && position < bad + 4096 && position + length > bad ? errno.EIO : 0;
        expect(started.volume.operation((operation) => core.mergeStart(operation, 0)).error).toBe(errno.EIO);
        expect(started.volume.status(0)).toBe(statusText(step.result!.status));
        expect(started.volume.hash("origin")).toBe(view);
        expect(sha256(started.cow.bytes)).toBe(step.result!.cow_sha256);
        started.origin.fault = () => 0;
        expect(started.volume.operation((operation) => core.mergeStart(operation, 0)).error).toBe(0);
        expect(sha256(started.origin.bytes)).toBe(view);
      });
    } else if (step.freeze !== undefined) {
      test(`${named}: the same images after the same number of writes (S-65)`, () => {
        const started = start(entry, step, { mergeBatches: false });
        let left = step.freeze!;
        // One count for both devices, as the power fails for both.
        for (const disk of [started.origin, started.cow]) {
          disk.fault = (kind) => {
            if (kind === "write") {
              disk.writesLeft = left > 0 ? 1 : 0;
              left -= 1;
            }
            return 0;
          };
        }
        started.volume.operation((operation) => started.volume.shell.core.mergeStart(operation, 0));
        expectImages(started, step);
      });
    } else {
      for (const mergeBatches of [false, true]) {
        test(`${named}: merged ${mergeBatches ? "in batches (S-69)" : "run by run (S-60…S-64)"} to the kernel's images`, () => {
          const started = start(entry, step, { mergeBatches, mergeChunks: 40 });
          const { core } = started.volume.shell;
          const view = started.volume.hash(0);
          expect(started.volume.operation((operation) => core.mergeStart(operation, 0)).error).toBe(0);
          expect(started.volume.status(0)).toBe(statusText(step.result!.status));
          expect(started.volume.hash("origin")).toBe(view);
          expectImages(started, step);
        });
      }
    }
  }
}
