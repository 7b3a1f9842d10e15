/**
 * A reserved chunk in the hands of a piece, as a record (chunk-claim.ts):
 *
 *   none ──begin──▶ held ──end──▶ none         once a claim has come to nothing `may` is false until the piece goes on to further bytes
 */
import { assert } from "../../src/base/assert.ts";

export class Claim {
  /** The piece may fill a reserved chunk. */
  may = true;
  /** The new chunk, -1 for none, and the epoch of the reserve that it is from. */
  #chunk = -1;
  #epoch = 0;

  get isHeld(): boolean {
    return this.#chunk !== -1;
  }

  get chunk(): number {
    assert(this.#chunk !== -1, "a claim of no chunk");
    return this.#chunk;
  }

  get epoch(): number {
    return this.#epoch;
  }

  begin(chunk: number, epoch: number): void {
    assert(this.#chunk === -1, "a piece took two chunks of a reserve");
    assert(this.may, "a piece claims again what it was refused");
    assert(chunk >= 0, "a chunk that is none");
    this.#chunk = chunk;
    this.#epoch = epoch;
  }

  end(): void {
    assert(this.#chunk !== -1, "a claim ended twice");
    this.#chunk = -1;
  }

  /** For bytes that have not been looked at before. */
  reset(): void {
    assert(this.#chunk === -1, "a claim outlived its write");
    this.may = true;
  }
}
