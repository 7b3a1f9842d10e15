/**
 * Whose a copy worker's segments are: common to all, but for a few that each COW device has for itself (E-25).
 *
 *   ├──────────── common: 96 ────────────┤─ a: 10 ─┤─ b: 10 ─┤─ 10 ─┤      two devices, and one that may come
 *   ├──────────── common: 96 ────────────┤──── a: 16 ────┤──── 16 ────┤      a lone one has nearly all
 *
 * A copy for several devices has common ones only: what one of them leaves of its own could be held by another that does not answer. So
 * devices that hang may hold all that is common, and all of their own, and the others still have theirs. Where there are so many devices that
 * less than half would be common, the last ones have none of their own.
 */
import { assert } from "../../src/base/assert.ts";
import { FILE_COUNT } from "../../src/ring/file-table.ts";
import type { FileControl } from "../../src/ring/worker-data.ts";

/** Of no device's own. */
export const COMMON = -1;
/** There is none now. */
export const NO_SHARE = -2;

/** A quarter is the devices' own, with one segment at least for each; half is common, or more. */
const OWN_PART = 4;
const COMMON_PART = 2;

export class SegmentShares {
  readonly #segments: number;
  readonly #owns = new Uint8Array(FILE_COUNT);
  readonly #used = new Int32Array(FILE_COUNT);
  #devices = 0;
  #own = 0;
  #common: number;
  #commonUsed = 0;

  constructor(segments: number) {
    assert(segments > 0, "copies have segments");
    this.#segments = segments;
    this.#common = segments;
  }

  /** Devices have come, or have gone with nothing of them under way. */
  filesChanged(control: FileControl): void {
    if ("gone" in control) for (const file of control.gone) this.#cowChanged(file, false);
    else if (control.cow) this.#cowChanged(control.file, true);
  }

  #cowChanged(file: number, isThere: boolean): void {
    if (isThere === (this.#owns[file] === 1)) return;
    if (isThere && (this.#devices + 2) * COMMON_PART > this.#segments) return;
    assert(isThere || this.#used[file] === 0, "a device has gone and has segments");
    this.#owns[file] = isThere ? 1 : 0;
    this.#devices += isThere ? 1 : -1;
    this.#share();
  }

  /** A segment for a copy of one device, or of several (MANY_DEVICES): COMMON, the device's, or NO_SHARE. */
  take(device: number): number {
    if (this.hasCommon) {
      this.#commonUsed += 1;
      return COMMON;
    }
    if (device < 0 || this.#owns[device] === 0 || this.#used[device] >= this.#own) return NO_SHARE;
    this.#used[device] += 1;
    return device;
  }

  give(share: number): void {
    if (share === COMMON) this.#commonUsed -= 1;
    else this.#used[share] -= 1;
    assert(share === COMMON ? this.#commonUsed >= 0 : this.#used[share] >= 0, "a segment was given back twice");
  }

  /** Half of what is common, or more. */
  isMostOfCommon(segments: number): boolean {
    return 2 * segments >= this.#common;
  }

  get hasCommon(): boolean {
    return this.#commonUsed < this.#common;
  }

  /** What is in use stays so: who has more than his new share gets none until he has less. The part of one more device is for the next that comes. */
  #share(): void {
    const parts = this.#devices + 1;
    const own = Math.max(Math.floor(this.#segments / OWN_PART), parts);
    this.#own = Math.floor(own / parts);
    this.#common = this.#devices === 0 ? this.#segments : this.#segments - own;
  }
}
