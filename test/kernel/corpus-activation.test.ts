/**
 * Every image of the corpus, opened as the kernel opened it: the same status, view or refusal.
 *
 * The three images that S-38 refuses are the only difference: the kernel accepts them silently and fails later.
 */
import { expect, test } from "vitest";
import { SnapringError } from "../../src/base/errno.ts";
import { corpusCases, corpusImage, finalOrigin, statusText } from "../support/core/corpus.ts";
import { FakeDisk } from "../support/core/fake-disk.ts";
import { Volume } from "../support/core/volume.ts";

const REFUSED_BY_US = new Map([
  ["duplicate-old", "exception 8 of area 0: old chunk 20 appears twice"],
  ["new-chunk-outside", "exception 8 of area 0: new chunk 5000 is beyond the end of the cow device (256 chunks)"],
  ["old-outside", "exception 8 of area 0: old chunk 9999 is beyond the end of the origin (256 chunks)"],
]);

for (const entry of corpusCases()) {
  for (const cow of entry.cows) {
    const { activated } = cow;
    const open = (): { readonly volume: Volume; readonly disk: FakeDisk } => {
      const disk = new FakeDisk(corpusImage(cow.file));
      const volume = new Volume(new FakeDisk(finalOrigin(entry)));
      volume.open(0, { disk, store: cow.persistent, chunkSectors: activated.table_chunk });
      return { volume, disk };
    };
    const named = `${entry.name}, cow ${cow.index}`;

    if (REFUSED_BY_US.has(entry.name)) {
      test(`${named}: refused, and the place is named (S-38)`, () => {
        const message = `corrupt snapshot: ${REFUSED_BY_US.get(entry.name)}`;
        expect(open).toThrow(expect.objectContaining({ code: "EIO", message }));
      });
    } else if (activated.load_errno !== 0) {
      test(`${named}: refused with ${activated.load_errno}, as by the kernel (S-30…S-34)`, () => {
        let refusal: unknown;
        try {
          open();
        } catch (error) {
          refusal = error;
        }
        expect(refusal).toBeInstanceOf(SnapringError);
        expect((refusal as SnapringError).code).toBe(activated.load_errno);
      });
    } else {
      test(`${named}: ${statusText(activated.status)}, with the kernel's view (S-35, S-36, S-71, S-72)`, () => {
        const before = corpusImage(cow.file);
        const { volume, disk } = open();
        expect(volume.status(0)).toBe(statusText(activated.status));
        expect(volume.hash(0)).toBe(activated.view_sha256 ?? activated.view_errno);
        // Opening alone writes nothing (S-7), but for a store that has to be made.
        if (entry.name !== "header-magic-0") expect(Buffer.compare(disk.bytes, before)).toBe(0);
      });
    }
  }
}
