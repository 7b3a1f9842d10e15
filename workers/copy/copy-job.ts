/**
 * A copy as a copy worker has it: one range to read, up to MAX_COPY_TARGETS parts of it to write. Bytes throughout.
 */
import { MAX_COPY_TARGETS } from "../../src/base/constants.ts";

export class CopyJob {
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
