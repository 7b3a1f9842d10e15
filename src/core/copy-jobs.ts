/**
 * Copies under way: which exceptions, or which merge, wait for which job (E-18).
 *
 *   job:  target 0 ──▶ part, part      an answer names the targets that have ended: their parts are over, the others' are not
 *         target 1 ──▶ part            the last answer of all targets frees the number
 *
 * A job's number is its place in a table of records that are used again. Each target ends by itself, so that a device which does not answer
 * holds up its own snapshot only. What failed is found by target: a failed read fails all that have not ended, a failed write only its own. A
 * number is free when its last target has ended, which the copy worker says when nothing of it is under way: no answer is left that could meet the
 * next job of that number. A dead worker's never come, and the core ends with it.
 */
import { assert, VERIFY } from "../base/assert.ts";
import type { Sector } from "../base/units.ts";
import type { CopyTarget, DeviceId, Effects } from "./ports.ts";
import type { PendingException } from "./snapshot.ts";

/** Is told of a copy that belongs to no exception: a merge's. */
export interface CopyOwner {
  copyDone(error: number): void;
}

interface JobRecord {
  owner: CopyOwner | undefined;
  /** Part i belongs to pendings[i], and was written by target targets[i]. */
  readonly pendings: PendingException[];
  readonly targets: number[];
}

export class CopyJobs {
  readonly #effects: Effects;
  readonly #records: JobRecord[] = [];
  readonly #free: number[] = [];

  constructor(effects: Effects) {
    this.#effects = effects;
  }

  get underWay(): number {
    return this.#records.length - this.#free.length;
  }

  /** Copy parts of exceptions: `parts[i]` is written by target `partTargets[i]`. */
  startParts(
    sector: Sector,
    sectors: Sector,
    targets: readonly CopyTarget[],
    parts: readonly PendingException[],
    partTargets: readonly number[],
  ): void {
    const id = this.#take();
    const record = this.#records[id]!;
    assert(parts.length > 0 && parts.length === partTargets.length, "each part is written by a target");
    for (const target of targets)
      assert(target.sectors > 0 && target.offsetSectors + target.sectors <= sectors, "a target gets what is read");
    for (let i = 0; i < parts.length; i++) {
      record.pendings.push(parts[i]!);
      record.targets.push(partTargets[i]!);
    }
    this.#effects.copy({ id, source: 0, sector, sectors, targets });
  }

  /** Copy one range between two devices. */
  startRange(owner: CopyOwner, source: DeviceId, from: Sector, device: DeviceId, to: Sector, sectors: Sector): void {
    const id = this.#take();
    assert(sectors > 0 && source !== device, "a range is copied from one device to another");
    this.#records[id]!.owner = owner;
    this.#effects.copy({
      id,
      source,
      sector: from,
      sectors,
      targets: [{ device, sector: to, offsetSectors: 0, sectors }],
    });
  }

  /** Targets of a job have ended, bit i for target i. `partDone` gets each of their parts and its error. */
  ended(
    id: number,
    endedTargets: number,
    readError: number,
    failedTargets: number,
    writeError: number,
    partDone: (pending: PendingException, error: number) => void,
  ): void {
    const record = this.#records[id];
    assert(record !== undefined && (record.owner !== undefined || record.pendings.length > 0), "the job is under way");
    const { owner, pendings, targets } = record;
    assert(readError >= 0 && writeError >= 0, "errors are positive");
    assert((failedTargets === 0) === (writeError === 0), "a target that failed says why");
    assert(endedTargets !== 0 && (failedTargets & ~endedTargets) === 0, "a target that failed has ended");
    if (VERIFY) assert(!this.#free.includes(id), "a job ends once");
    let known = owner === undefined ? 0 : 1;
    let kept = 0;
    for (let i = 0; i < pendings.length; i++) {
      const pending = pendings[i]!;
      const target = targets[i]!;
      const bit = 1 << target;
      known |= bit;
      if ((endedTargets & bit) !== 0) {
        partDone(pending, readError !== 0 ? readError : (failedTargets & bit) !== 0 ? writeError : 0);
        continue;
      }
      pendings[kept] = pending;
      targets[kept++] = target;
    }
    assert((endedTargets & ~known) === 0, "a target ends once");
    pendings.length = kept;
    targets.length = kept;
    if (kept > 0) return;
    record.owner = undefined;
    this.#free.push(id);
    owner?.copyDone(readError !== 0 ? readError : writeError);
  }

  #take(): number {
    const id = this.#free.pop() ?? this.#records.length;
    if (id === this.#records.length) this.#records.push({ owner: undefined, pendings: [], targets: [] });
    return id;
  }
}
