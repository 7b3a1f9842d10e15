/**
 * A metadata job as the metadata worker has it: a file, and steps that run one after the other, each only if the one before
 * has succeeded whole. A pooled record, used again for a later job.
 */
import type { IoOp } from "../../src/ring/io-descriptor.ts";

export interface MetadataStep {
  /** Read, Write or Sync. */
  readonly operation: IoOp;
  /** Bytes on the device. */
  readonly position: number;
  readonly bytes: number;
  /** In the arena; -1: zeroes. */
  readonly address: number;
  /** The write is durable when it completes. */
  readonly durable: boolean;
}

export class MetadataJob {
  readonly index: number;
  id = 0;
  file = 0;
  expected = 0;
  readonly steps: MetadataStep[] = [];
  /** The step that is submitted next, and how much of it has been. */
  step = 0;
  stepDone = 0;
  /** Bytes that each submitted operation must transfer. */
  readonly lengths: number[] = [];
  pending = 0;
  error = 0;
  /** Its operations are done inside the turn. */
  atOnce = false;

  constructor(index: number) {
    this.index = index;
  }

  begin(id: number, file: number, expected: number): void {
    this.id = id;
    this.file = file;
    this.expected = expected;
    this.steps.length = 0;
    this.lengths.length = 0;
    this.step = 0;
    this.stepDone = 0;
    this.pending = 0;
    this.error = 0;
  }
}
