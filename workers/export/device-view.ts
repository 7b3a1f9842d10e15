/**
 * What an export worker knows of a device: where it stands in the file table and what alignment it asks for.
 */
import type { DeviceDescription } from "../../src/ring/worker-data.ts";

export class DeviceView {
  readonly file: number;
  readonly align: number;
  /** Cleared by the first -EOPNOTSUPP: zeroes are then written, trims answered without effect. */
  canDiscard = true;
  canPunch = true;
  canZeroRange = true;

  constructor(description: DeviceDescription) {
    this.file = description.file;
    this.align = description.align;
  }

  isAligned(position: number, length: number): boolean {
    return this.align === 1 || (position % this.align === 0 && length % this.align === 0);
  }
}
