/**
 * A device behind a file of a mounted folder, that a test stands behind: it records every write and flush, fails the call that a
 * plan names, and takes its time.
 *
 *   read    as the content is when it ends
 *   write   begins, waits, changes the content, ends: in the log; a failed one has changed some of its sectors, or none
 *   flush   begins, waits, ends: in the log
 *   zero    a write of zeroes
 */
import type { DeviceLog, LoggedWrite } from "./device-log.ts";
import { FaultPlan } from "./fault-plan.ts";
import type { LyingFile } from "./fuse-folder.ts";

const SECTOR_BYTES = 512;
const ENOSPC = 28;

export interface LyingOptions {
  /** Its number in the log. */
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly log: DeviceLog;
  readonly faults?: FaultPlan;
  /** Resolves when the call may end. */
  readonly pause?: () => Promise<unknown> | undefined;
}

export class LyingDevice implements LyingFile {
  readonly bytes: Uint8Array;
  readonly #index: number;
  readonly #log: DeviceLog;
  readonly #faults: FaultPlan;
  readonly #pause: () => Promise<unknown> | undefined;

  constructor(options: LyingOptions) {
    this.bytes = options.bytes;
    this.#index = options.index;
    this.#log = options.log;
    this.#faults = options.faults ?? new FaultPlan();
    this.#pause = options.pause ?? (() => undefined);
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array | number> {
    const error = this.#faults.next("read", this.#index);
    await this.#pause();
    return error === 0 ? this.bytes.subarray(offset, offset + length) : error;
  }

  async write(offset: number, data: Uint8Array, durable: boolean): Promise<number> {
    const error = this.#faults.next("write", this.#index);
    if (error === 0 && offset + data.length > this.bytes.length) return ENOSPC;
    const write: LoggedWrite = {
      device: this.#index,
      offset,
      data,
      durable,
      begin: this.#log.clock.tick(),
      end: Infinity,
    };
    this.#log.writes.push(write);
    await this.#pause();
    if (error === 0) this.bytes.set(data, offset);
    else if (this.#faults.tears) this.#tear(offset, data);
    if (error === 0) write.end = this.#log.clock.tick();
    return error;
  }

  /** Every other sector of a failed write has changed. */
  #tear(offset: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += 2 * SECTOR_BYTES) {
      this.bytes.set(data.subarray(at, at + SECTOR_BYTES), offset + at);
    }
  }

  async flush(): Promise<number> {
    const error = this.#faults.next("flush", this.#index);
    const flush = { device: this.#index, begin: this.#log.clock.tick(), end: Infinity };
    await this.#pause();
    if (error !== 0) return error;
    flush.end = this.#log.clock.tick();
    this.#log.flushes.push(flush);
    return 0;
  }

  zero(offset: number, length: number): Promise<number> {
    return this.write(offset, new Uint8Array(length), false);
  }

  /** A device has the size that it has. */
  resize(): void {}
}
