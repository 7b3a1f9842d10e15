/**
 * Gives the devices of all volumes their numbers in the file tables of the rings (ring/file-table.ts), which are the same in every thread.
 *
 *   opened ─▶ take ─▶ control message to every worker ─▶ … ─▶ every worker has let it go ─▶ give
 *
 * The lowest free one is taken, so that tables are as small as what was open at one time. A number is given back only when no thread has the device
 * any more: an operation that is late would meet another volume's. Runs on main.
 */
import { assert } from "../base/assert.ts";
import { MAX_DEVICE_FILES } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import { FIRST_DEVICE_FILE, isDeviceFile } from "../ring/file-table.ts";

export class DeviceFiles {
  readonly #most: number;
  readonly #taken = new Set<number>();
  /** None below it is free. */
  #from = FIRST_DEVICE_FILE;

  /** `most`: devices at a time. */
  constructor(most: number = MAX_DEVICE_FILES) {
    this.#most = most;
  }

  /** Devices that have a number. */
  get count(): number {
    return this.#taken.size;
  }

  /** Throws a SnapringError (EMFILE) where there are too many. */
  take(): number {
    if (this.#taken.size >= this.#most)
      throw new SnapringError("EMFILE", `an engine has at most ${this.#most} devices open, origins and COW devices`);
    let file = this.#from;
    while (this.#taken.has(file)) file += 1;
    assert(isDeviceFile(file), "a device file lies in the table");
    this.#taken.add(file);
    this.#from = file + 1;
    return file;
  }

  /** No thread has it any more. */
  give(file: number): void {
    assert(this.#taken.has(file), "a device's number was given back twice");
    this.#taken.delete(file);
    this.#from = Math.min(this.#from, file);
  }
}
