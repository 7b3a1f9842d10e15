/**
 * Copies under way: which exceptions, or which merge, wait for which job (E-18).
 *
 * A job's number is its place in a table of records that are used again. What failed is found by target: a failed read fails
 * all of them, a failed write only its own. A number is free when its job's one answer has come, which the copy worker sends when nothing of it is
 * under way: no answer is left that could meet the next job of that number. A dead worker's never come, and the core ends with it.
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

  /** A job has ended. `partDone` gets each part and its error. */
  ended(
    id: number,
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
    record.owner = undefined;
    if (VERIFY) assert(!this.#free.includes(id), "a job ends once");
    for (let i = 0; i < pendings.length; i++) {
      const failed = (failedTargets & (1 << targets[i]!)) !== 0;
      partDone(pendings[i]!, readError !== 0 ? readError : failed ? writeError : 0);
    }
    pendings.length = 0;
    targets.length = 0;
    this.#free.push(id);
    owner?.copyDone(readError !== 0 ? readError : writeError);
  }

  #take(): number {
    const id = this.#free.pop() ?? this.#records.length;
    if (id === this.#records.length) this.#records.push({ owner: undefined, pendings: [], targets: [] });
    return id;
  }
}
