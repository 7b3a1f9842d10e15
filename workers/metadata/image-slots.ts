/**
 * Whose the image slots of the metadata worker's arena are (ring/metadata-arena.ts): main's, or a job's.
 *
 *   main fills it ──MetadataStep──▶ lent: to one job, which reads or writes it ──MetadataDone──▶ main's again
 *
 * The worker sees its half of the rule that an image under way is touched by nobody (C-21): main names no slot that it has lent.
 */
import { assert } from "../../src/base/assert.ts";
import { METADATA_IMAGES, METADATA_SLOT_BYTES, METADATA_SLOTS } from "../../src/ring/metadata-arena.ts";
import { type MetadataChain, ZEROES } from "./metadata-chain.ts";

const MAIN = 0;

export class ImageSlots {
  /** 1 + the record of the job that has it. */
  readonly #owner = new Int32Array(METADATA_SLOTS);

  /** For a step of the job that has just come. */
  lend(job: MetadataChain, address: number, bytes: number): void {
    if (address === ZEROES || bytes === 0) return;
    const at = address - METADATA_IMAGES;
    const slot = Math.floor(at / METADATA_SLOT_BYTES);
    assert(at >= 0 && slot < METADATA_SLOTS, "an image outside of the slots");
    assert((at % METADATA_SLOT_BYTES) + bytes <= METADATA_SLOT_BYTES, "an image reaches beyond its slot");
    assert(this.#owner[slot] === MAIN, "two jobs have one image");
    this.#owner[slot] = 1 + job.index;
  }

  /** The job is done. */
  giveBack(job: MetadataChain): void {
    for (const { address, bytes } of job.steps) {
      if (address === ZEROES || bytes === 0) continue;
      const slot = Math.floor((address - METADATA_IMAGES) / METADATA_SLOT_BYTES);
      assert(this.#owner[slot] === 1 + job.index, "a job gives back an image that it does not have");
      this.#owner[slot] = MAIN;
    }
  }
}
