/**
 * A copy as a copy worker has it: one range to read, up to MAX_COPY_TARGETS parts of it to write. Bytes throughout.
 */
import { assert } from "../../src/base/assert.ts";
import { MAX_COPY_TARGETS } from "../../src/base/constants.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { WAKE_FILE } from "../../src/ring/file-table.ts";

export class SegmentedCopy {
  id = 0;
  file = 0;
  position = 0;
  length = 0;
  targetsExpected = 0;
  targetCount = 0;
  readonly targetFile = new Int32Array(MAX_COPY_TARGETS);
  readonly targetPosition = new Float64Array(MAX_COPY_TARGETS);
  readonly targetLength = new Float64Array(MAX_COPY_TARGETS);
  readonly targetOffset = new Float64Array(MAX_COPY_TARGETS);
  /** Where the next segment begins. */
  cursor = 0;
  /** Segments under way. */
  segments = 0;
  /** Positive error numbers, 0 for none. */
  readError = 0;
  writeError = 0;
  /** Bit t: target t has failed. */
  failedTargets = 0;

  begin(id: number, file: number, position: number, length: number, targets: number): void {
    assert(this.segments === 0, "a copy's record is used again before its end");
    assertRange(file, position, length);
    assert(targets > 0 && targets <= MAX_COPY_TARGETS, "a copy to nowhere, or to too many");
    this.id = id;
    this.file = file;
    this.position = position;
    this.length = length;
    this.targetsExpected = targets;
    this.targetCount = 0;
    this.cursor = 0;
    this.segments = 0;
    this.readError = 0;
    this.writeError = 0;
    this.failedTargets = 0;
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
  }

  get complete(): boolean {
    return this.targetCount === this.targetsExpected;
  }
}

/** Whole sectors of the origin or of a COW device. */
function assertRange(file: number, position: number, length: number): void {
  assert(file >= 0 && file < WAKE_FILE, "a copy from or to what is no device");
  assert(position >= 0 && position % SECTOR_BYTES === 0, "a copy begins inside of a sector");
  assert(length > 0 && length % SECTOR_BYTES === 0, "a copy ends inside of a sector");
}
