/**
 * The register's word on an origin and a COW file that an offline command is given: the same table as for a volume (register/tie.ts).
 *
 *                       merge                                        read
 *   no register, or     refused (`unregistered` says that the two    warned of; refused where the origin has other snapshots
 *   not in it           belong together)                             (`unregistered`)
 *   active, merging     where the store is the registered one        the same
 *   invalid             refused; another store in its place is       refused; likewise
 *                       in no register
 *   of another origin   refused                                      refused (`unregistered` reads it all the same)
 *
 * The store is known by its path or file; or, where the registered one is gone, as the one that was moved: by its id, or with `moved`.
 * A merge is registered before it begins, also one that no register knew, and what it leaves when it has ended: one that was cut is gone
 * on with, offline or by the volume, and never forgotten (E-36). Both devices are open and locked by then.
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { SnapringError } from "../base/errno.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { DeviceFile } from "../device/device-file.ts";
import { lastingPath } from "../device/lasting-path.ts";
import { findStore, identityOfStore, knownStore, type ReadStore, withMarked } from "../register/known-store.ts";
import { newId, readMark } from "../register/mark.ts";
import { findRegister, markOrigin, newHome, type OriginRegister } from "../register/origin-register.ts";
import type { RegisteredSnapshot } from "../register/register-text.ts";
import { digestStore, NOTHING_SEEN, seeStore, type StoreAtRest } from "../register/seen-store.ts";
import { type FoundStore, type Known, tieStore, type Words } from "../register/tie.ts";

export interface TiedDevices {
  readonly origin: DeviceFile;
  readonly cow: DeviceFile;
  readonly loaded: ReadStore;
}

/** What is written down of a merge as it goes on. */
type Progress = Pick<RegisteredSnapshot, "state" | "isFinal"> & Partial<Pick<RegisteredSnapshot, "seen">>;

export class OfflineTies {
  readonly #devices: TiedDevices;
  readonly #found: OriginRegister;
  #known: Known | undefined;
  /** It is in the register only while its merge is under way: none knew it before. */
  #isPassing = false;
  readonly #atRest: StoreAtRest;

  private constructor(devices: TiedDevices, found: OriginRegister, words: Words) {
    const { cow, loaded } = devices;
    this.#devices = devices;
    this.#found = found;
    this.#known = knownStore(found, undefined, cow.path, identityOfStore(cow)) ?? movedStore(cow, found, words);
    this.#atRest = { fd: cow.fd, cowBytes: cow.sizeBytes, chunkBytes: loaded.chunkSectors * SECTOR_BYTES };
  }

  /** Throws a SnapringError (EBUSY, EINVAL) where the origin may not be written with what the store holds. */
  static async forMerge(devices: TiedDevices, words: Words): Promise<OfflineTies> {
    const ties = new OfflineTies(devices, await findRegister(devices.origin, words, true), words);
    const found = await ties.#look();
    ties.#refuseOthers();
    ties.#refuseInvalid(found, words, found.claim === "stands");
    ties.#isPassing = ties.#known === undefined || isCut(ties.#known.entry);
    if (ties.#known === undefined && !words.unregistered) {
      throw new SnapringError("EBUSY", `no register says that ${found.path} is a snapshot of ${devices.origin.path}`, {
        hint: "a merge with the wrong origin destroys it; where you know that the two belong together, say --unregistered",
      });
    }
    return ties;
  }

  /** The warning that the user is to see, if any. Throws as `forMerge` does. */
  static async forRead(devices: TiedDevices, words: Words): Promise<string | undefined> {
    const ties = new OfflineTies(devices, await findRegister(devices.origin, words, false), words);
    const found = await ties.#look();
    ties.#refuseInvalid(found, words, false);
    if (ties.#known !== undefined || words.unregistered) return undefined;
    const { snapshots } = ties.#found.register;
    if (snapshots.size > 0) {
      throw new SnapringError("EBUSY", `${found.path} is none of the snapshots that ${devices.origin.path} has`, {
        hint: `its snapshots: ${[...snapshots].map(([name, { cow }]) => `${name} (${cow})`).join(", ")}; --moved if it is one of them that was moved, --unregistered to read it all the same`,
      });
    }
    return `no register says that ${found.path} is a snapshot of ${devices.origin.path}: the view is right only if it is`;
  }

  /** Before the first chunk is merged. Durable when it resolves; with a line for the user, if any. */
  begin(): Promise<string | undefined> {
    return this.#record(this.#entry({ state: "merging", isFinal: false }));
  }

  /** Everything is merged: the snapshot is what the origin is. One that no register knew is forgotten again, and a register that was made for it. */
  async end(): Promise<void> {
    const seen = await seeStore(this.#atRest);
    await this.#record(this.#isPassing ? undefined : this.#entry({ state: "active", seen, isFinal: true }));
    if (this.#isPassing) await this.#found.register.removeEmpty();
  }

  async #record(entry: RegisteredSnapshot | undefined): Promise<string | undefined> {
    const name = this.#known?.name ?? this.#freeName();
    const line = await this.#found.register.change([{ name, entry }], () => newHome(this.#found));
    markOrigin(this.#found);
    return line;
  }

  #entry(now: Progress): RegisteredSnapshot {
    const { cow } = this.#devices;
    const known = this.#known?.entry ?? { store: "", seen: NOTHING_SEEN };
    const identity = identityOfStore(cow);
    const { chunkBytes } = this.#atRest;
    // No id is how one is known that is only passing, also when its merge was cut (isCut).
    const store = this.#isPassing || known.store !== "" ? known.store : newId();
    return { seen: known.seen, ...now, store, cow: lastingPath(cow.path), isBeside: false, identity, chunkBytes };
  }

  /** Of a store that no register knows: the same each time, as long as its merge is under way. */
  #freeName(): string {
    const name = basename(this.#devices.cow.path);
    return name === "origin" ? "origin.cow" : name;
  }

  async #look(): Promise<FoundStore> {
    const { cow, loaded } = this.#devices;
    const digest = await digestStore(this.#atRest, this.#known?.entry.seen);
    return findStore(cow, loaded, digest, this.#found, this.#known);
  }

  #refuseInvalid(found: FoundStore, words: Words, always: boolean): void {
    const known = this.#known;
    const isInvalid = known?.entry.state === "invalid" && found.mark?.store === known.entry.store;
    // The user knows better than a register that another program's merge has made untrue.
    const isTrusted = words.unregistered && !always && !isInvalid;
    if (isTrusted || tieStore(known?.name ?? found.path, known, found, words) !== "invalid") {
      // What an Invalid entry says is not said of another store in its place: no register knows that one.
      if (known?.entry.state === "invalid") this.#known = undefined;
      return;
    }
    throw new SnapringError("EINVAL", `${found.path}: the snapshot is Invalid: its origin was written without it`, {
      hint: "it was dropped or ran full; what it held is lost",
    });
  }

  #refuseOthers(): void {
    const { origin } = this.#devices;
    const others = [...this.#found.register.snapshots].filter(
      ([name, { state }]) => state !== "invalid" && name !== this.#known?.name,
    );
    if (others.length === 0) return;
    const missing = others.filter(([, { cow }]) => !existsSync(cow)).map(([name]) => name);
    const names = others.map(([name, { cow }]) => `${name} (${cow})`).join(", ");
    const moved =
      missing.length === 0 ? "" : `; if it is '${missing.join("' or '")}', whose store is missing, say --moved`;
    throw new SnapringError("EBUSY", `${origin.path} has other snapshots that a merge would destroy: ${names}`, {
      hint: `snapring serve ORIGIN --abandon NAME gives one up${moved}`,
    });
  }
}

/** A merge of a store that no register knew before, which did not come to its end: volumes give their stores ids. */
function isCut({ state, store }: RegisteredSnapshot): boolean {
  return state === "merging" && store === "";
}

/** The only snapshot whose store is gone from its place, where this one has its id, or the user says so. */
function movedStore(cow: DeviceFile, { register, standing }: OriginRegister, words: Words): Known | undefined {
  const gone = [...register.snapshots].filter(([, { state, cow: place }]) => state !== "invalid" && !existsSync(place));
  const store = withMarked(cow, readMark)?.store;
  const its = gone.filter(([, entry]) => entry.store === store || words.moved);
  return its.length === 1 ? { name: its[0][0], entry: its[0][1], standing } : undefined;
}
