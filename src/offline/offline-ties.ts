/**
 * The register's word on an origin and a COW file that an offline command is given: the same table as for a volume (register/tie.ts).
 *
 *                       merge                                        read
 *   no register, or     refused (`unregistered` says that the two    warned of; refused where the origin has other snapshots
 *   not in it           belong together)
 *   active, merging     where the store is the registered one        the same
 *   invalid             refused                                      refused
 *   of another origin   refused                                      refused (`unregistered` reads it all the same)
 *
 * A merge is registered before it begins, and what it leaves when it has ended: one that was cut is gone on with, offline or by the
 * volume, and never forgotten (E-36). Both devices are open and locked by then.
 */
import { SnapringError } from "../base/errno.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { DeviceFile } from "../device/device-file.ts";
import { findStore, identityOfStore, knownStore, type ReadStore } from "../register/known-store.ts";
import { findRegister, type OriginRegister, settleIn } from "../register/origin-register.ts";
import type { RegisteredState } from "../register/register-text.ts";
import { digestStore, seeStore, type StoreAtRest } from "../register/seen-store.ts";
import { type Known, tieStore, type Words } from "../register/tie.ts";

export interface TiedDevices {
  readonly origin: DeviceFile;
  readonly cow: DeviceFile;
  readonly loaded: ReadStore;
}

export class OfflineTies {
  readonly #cow: DeviceFile;
  readonly #found: OriginRegister;
  readonly #known: Known | undefined;
  readonly #atRest: StoreAtRest;

  private constructor({ cow, loaded }: TiedDevices, found: OriginRegister) {
    this.#cow = cow;
    this.#found = found;
    this.#known = knownStore(found, undefined, cow.path, identityOfStore(cow));
    const chunkBytes = loaded.chunkSectors * SECTOR_BYTES;
    this.#atRest = { fd: cow.fd, cowBytes: cow.sizeBytes, chunkBytes };
  }

  /** Throws a SnapringError (EBUSY, EINVAL) where the origin may not be written with what the store holds. */
  static async forMerge(devices: TiedDevices, words: Words): Promise<OfflineTies> {
    const found = await findRegister(devices.origin, words, true);
    const ties = new OfflineTies(devices, found);
    ties.#refuseOthers(devices.origin);
    await ties.#judge(devices, words);
    if (ties.#known === undefined && !words.unregistered) {
      throw new SnapringError(
        "EBUSY",
        `no register says that ${devices.cow.path} is a snapshot of ${devices.origin.path}`,
        {
          hint: "a merge with the wrong origin destroys it; where you know that the two belong together, say --unregistered",
        },
      );
    }
    return ties;
  }

  /** The warning that the user is to see, if any. Throws as `forMerge` does. */
  static async forRead(devices: TiedDevices, words: Words): Promise<string | undefined> {
    const found = await findRegister(devices.origin, words, false);
    const ties = new OfflineTies(devices, found);
    if (words.unregistered) return undefined;
    await ties.#judge(devices, words);
    if (ties.#known !== undefined) return undefined;
    if (found.register.snapshots.size > 0) {
      throw new SnapringError("EBUSY", `${devices.cow.path} is none of the snapshots that ${devices.origin.path} has`, {
        hint: "where you know that the two belong together, say --unregistered",
      });
    }
    return `no register says that ${devices.cow.path} is a snapshot of ${devices.origin.path}: the view is right only if it is`;
  }

  /** Before the first chunk is merged. Durable when it resolves. */
  begin(): Promise<void> {
    return this.#record("merging");
  }

  /** Everything is merged: the snapshot is what the origin is. */
  end(): Promise<void> {
    return this.#record("active");
  }

  async #record(state: RegisteredState): Promise<void> {
    if (this.#known === undefined) return;
    const { name, entry } = this.#known;
    const seen = state === "merging" ? entry.seen : await seeStore(this.#atRest);
    settleIn(this.#found);
    await this.#found.register.change([
      [name, { ...entry, identity: identityOfStore(this.#cow), state, seen, isFinal: state === "active" }],
    ]);
  }

  async #judge({ cow, loaded }: TiedDevices, words: Words): Promise<void> {
    const known = this.#known;
    const digest = await digestStore(this.#atRest, known?.entry.state === "active" ? known.entry.seen : undefined);
    const found = await findStore(cow, loaded, digest, this.#found, known);
    // The user knows better than a register that another program's merge has made untrue.
    if (words.unregistered && found.othersRegister === undefined) return;
    if (tieStore(known?.name ?? cow.path, known, found, words) !== "invalid") return;
    throw new SnapringError("EINVAL", `${cow.path}: the snapshot is Invalid: its origin was written without it`, {
      hint: "it was dropped or ran full; what it held is lost",
    });
  }

  #refuseOthers(origin: DeviceFile): void {
    const others = [...this.#found.register.snapshots].filter(
      ([name, { state }]) => state !== "invalid" && name !== this.#known?.name,
    );
    if (others.length === 0) return;
    const names = others.map(([name, { cow }]) => `${name} (${cow})`).join(", ");
    throw new SnapringError("EBUSY", `${origin.path} has other snapshots that a merge would destroy: ${names}`, {
      hint: "snapring serve ORIGIN --abandon NAME gives one up",
    });
  }
}
