/**
 * A copy as a copy worker has it: one range to read, up to MAX_COPY_TARGETS parts of it to write. Bytes throughout.
 *
 *   target 0  ▓▓▓▓▓▓▓▓▓   left 0: it has ended, whatever the others do
 *   target 1  ▓▓▓▓░░░▓▓   left 3: a write is under way, or has not begun
 *
 * A target has ended when each byte of it has been written, or has failed, and so nothing of it is under way any more. Main is told once of
 * each, of several together where they come together (copy-answers.ts).
 */
import { assert } from "../../src/base/assert.ts";
import { MAX_COPY_TARGETS } from "../../src/base/constants.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { isDeviceFile } from "../../src/ring/file-table.ts";

/** The devices of a copy are several. */
export const MANY_DEVICES = -1;

export class SegmentedCopy {
  volume = 0;
  id = 0;
  file = 0;
  position = 0;
  length = 0;
  /** A merge: the COW device is read, the origin is written. */
  readsCow = false;
  targetsExpected = 0;
  targetCount = 0;
  readonly targetFile = new Int32Array(MAX_COPY_TARGETS);
  readonly targetPosition = new Float64Array(MAX_COPY_TARGETS);
  readonly targetLength = new Float64Array(MAX_COPY_TARGETS);
  readonly targetOffset = new Float64Array(MAX_COPY_TARGETS);
  /** Bytes of each target that have not been written, and have not failed. */
  readonly left = new Float64Array(MAX_COPY_TARGETS);
  /** Stretches of it that wait, and segments under way: the record is used again behind them. */
  stretches = 0;
  segments = 0;
  /** Positive error numbers, 0 for none. */
  readError = 0;
  readonly writeError = new Int32Array(MAX_COPY_TARGETS);
  /** Bit t: target t has failed, has ended, has been told. */
  failed = 0;
  ended = 0;
  told = 0;
  /** Since when there is something to tell, in ticks of the loop's clock; -1: there is nothing. */
  newsAt = -1;

  /** `readsCow` is to be set behind it. */
  begin(volume: number, id: number, file: number, position: number, length: number, targets: number): void {
    assert(this.segments === 0 && this.stretches === 0, "a copy's record is used again before its end");
    assertRange(file, position, length);
    assert(targets > 0 && targets <= MAX_COPY_TARGETS, "a copy to nowhere, or to too many");
    this.volume = volume;
    this.id = id;
    this.file = file;
    this.readsCow = false;
    this.position = position;
    this.length = length;
    this.targetsExpected = targets;
    this.targetCount = 0;
    this.readError = 0;
    this.failed = 0;
    this.ended = 0;
    this.told = 0;
    this.newsAt = -1;
  }

  /** `offset`: where the target's bytes begin inside the range that is read. */
  addTarget(file: number, position: number, length: number, offset: number): void {
    assert(this.targetCount < this.targetsExpected, "a copy has more targets than it was to have");
    assertRange(file, position, length);
    assert(offset >= 0 && offset + length <= this.length, "a target takes what is not read");
    const t = this.targetCount++;
    this.targetFile[t] = file;
    this.targetPosition[t] = position;
    this.targetLength[t] = length;
    this.targetOffset[t] = offset;
    this.left[t] = length;
    this.writeError[t] = 0;
  }

  /** Ids are a volume's own. */
  isNamed(volume: number, id: number): boolean {
    return this.volume === volume && this.id === id;
  }

  get complete(): boolean {
    return this.targetCount === this.targetsExpected;
  }

  /** A bit for each target. */
  get all(): number {
    return 2 ** this.targetCount - 1;
  }

  /** The file of the one COW device that it reads or writes, or MANY_DEVICES. */
  get device(): number {
    if (this.readsCow) return this.file;
    const first = this.targetFile[0];
    for (let t = 1; t < this.targetCount; t++) if (this.targetFile[t] !== first) return MANY_DEVICES;
    return first;
  }

  /** Nothing names it any more. */
  get isOver(): boolean {
    return this.told === this.all && this.segments === 0 && this.stretches === 0;
  }

  /** The targets on the same device as this one. */
  sameDevice(target: number): number {
    let mask = 0;
    for (let t = 0; t < this.targetCount; t++) if (this.targetFile[t] === this.targetFile[target]) mask |= 1 << t;
    return mask;
  }

  /** A write of target t has failed: no more of this stretch of it is written. */
  fail(t: number, error: number): void {
    this.failed |= 1 << t;
    this.writeError[t] = error;
  }

  /** So many bytes of target t are over: written, or failed. True: they were its last. */
  over(t: number, bytes: number): boolean {
    this.left[t] -= bytes;
    assert(this.left[t] >= 0, "more of a target ended than there is");
    if (this.left[t] > 0) return false;
    this.ended |= 1 << t;
    return true;
  }
}

/** Whole sectors of the origin or of a COW device. */
function assertRange(file: number, position: number, length: number): void {
  assert(isDeviceFile(file), "a copy from or to what is no device");
  assert(position >= 0 && position % SECTOR_BYTES === 0, "a copy begins inside of a sector");
  assert(length > 0 && length % SECTOR_BYTES === 0, "a copy ends inside of a sector");
}
