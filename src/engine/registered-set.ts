/**
 * The register beside the snapshots of a volume: what may be opened, made and given up, and what is written down of it (E-46).
 *
 *   open      find the register ─▶ every registered snapshot is given, or given up by a name that is registered ─▶ …
 *   tie       … each store, open and read: is it the one? (register/tie.ts) ─▶ …
 *   settle    … all stores are good: those given up are marked Invalid; then one write of the register, before the origin accepts a write
 *   record    a snapshot comes, merges, becomes Invalid, or goes
 *   see       at close: what the stores hold now
 *
 * Nothing is changed before everything has been looked at. Runs on main.
 */
import { SnapringError } from "../base/errno.ts";
import { lastingPath, realPath } from "../device/lasting-path.ts";
import { abandonStore } from "../register/abandon.ts";
import { findStore, identityOfStore, knownStore } from "../register/known-store.ts";
import { newId, readMark, removeMark, writeMark } from "../register/mark.ts";
import { findRegister, markOrigin, type OriginRegister, settleIn } from "../register/origin-register.ts";
import type { RegisterChange } from "../register/register.ts";
import type { RegisteredSnapshot, RegisteredState } from "../register/register-text.ts";
import { NOTHING_SEEN, seeStore, type StoreAtRest } from "../register/seen-store.ts";
import type { StoreDigest, SeenStore } from "../register/store-digest.ts";
import { type OpenAs, tieMissing, tieStore, type Words } from "../register/tie.ts";
import type { LoadedStore } from "../core/loaded-store.ts";
import type { DeviceFile } from "../device/device-file.ts";
import type { VolumeDevice } from "./volume-device.ts";
import type { CompleteOptions, SnapshotOptions } from "./volume-options.ts";

/** A snapshot that is being registered. */
export interface Registrand {
  readonly name: string;
  readonly file: DeviceFile;
  readonly chunkBytes: number;
}

export class RegisteredSet {
  readonly #options: CompleteOptions;
  readonly #found: OriginRegister;
  readonly #words: Words;
  /** What is known of the stores that are open, by name: ids, and what was seen last. */
  readonly #stores = new Map<string, { readonly store: string; readonly seen: SeenStore | undefined }>();

  private constructor(options: CompleteOptions, found: OriginRegister, words: Words) {
    this.#options = options;
    this.#found = found;
    this.#words = words;
  }

  /** Throws a SnapringError (EBUSY, ENOENT) that names the snapshot which is missing, or the name that is not registered. */
  static async open(origin: VolumeDevice, options: CompleteOptions): Promise<RegisteredSet> {
    const { moved, unregistered, readOnly } = options;
    const words = { moved, unregistered };
    const { fd, path, sizeBytes } = origin.file;
    const found = await findRegister({ fd, path, sizeBytes }, words, !readOnly);
    const set = new RegisteredSet(options, found, words);
    set.#checkAbandoned();
    set.#refuseMissing();
    return set;
  }

  /** What the store that is asked for was when it was last seen; undefined: nothing is known. */
  seen(options: SnapshotOptions): SeenStore | undefined {
    const entry = knownStore(this.#found, options.name, options.cow)?.entry;
    return entry?.state === "active" ? entry.seen : undefined;
  }

  /** The COW file is not there: it is made, or a SnapringError says why not. */
  missing({ name, cow, size }: SnapshotOptions): "make" {
    return tieMissing(name, cow, knownStore(this.#found, name, cow), size !== undefined, this.#options.readOnly);
  }

  /** The store is open and read. Throws a SnapringError; else how it is opened. `make`: it must be a new one. */
  async tie(
    options: SnapshotOptions,
    file: DeviceFile,
    loaded: LoadedStore,
    digest: StoreDigest,
    make: boolean,
  ): Promise<OpenAs> {
    const { name } = options;
    const known = knownStore(this.#found, name, options.cow, identityOfStore(file));
    const found = await findStore(file, loaded, digest, this.#found, known);
    if (make && found.state !== "new") {
      throw new SnapringError("EEXIST", `${options.cow} holds a store already: it is no snapshot of this moment`, {
        hint: "take another COW device, or clear its first bytes",
      });
    }
    const as = tieStore(name, known, found, this.#words);
    const isRegistered = known !== undefined && as !== "new" && (known.entry.state !== "invalid" || as === "invalid");
    const store = found.mark?.store ?? (isRegistered && known.entry.store !== "" ? known.entry.store : newId());
    this.#stores.set(name, { store: as === "new" ? newId() : store, seen: as === "invalid" ? undefined : digest.seen });
    return as;
  }

  /** Everything has opened: those given up go, and the others are registered, in one write. Durable when it resolves. */
  async settle(opened: readonly (Registrand & { readonly state: RegisteredState })[]): Promise<void> {
    if (this.#options.readOnly) return;
    const { register } = this.#found;
    const changes: RegisterChange[] = [];
    for (const name of this.#options.abandon) {
      abandonStore(name, this.#found, this.#words, this.#options);
      changes.push([name, undefined]);
    }
    const given = new Set(opened.map(({ name }) => name));
    for (const one of opened) {
      const entry = this.#entry(one, one.state);
      // The same COW device under the name that it had before.
      for (const [other, { cow }] of register.snapshots)
        if (!given.has(other) && realPath(cow) === realPath(entry.cow)) changes.push([other, undefined]);
      changes.push([one.name, entry]);
    }
    // A mark that leads elsewhere is not believed, and goes.
    if (this.#words.unregistered && register.snapshots.size === 0) markOrigin(this.#found);
    if (changes.length === 0 && register.snapshots.size === 0) return;
    settleIn(this.#found);
    const saysMore = !saysTheSame(register.snapshots, changed(register.snapshots, changes));
    try {
      await register.change(changes);
    } catch (error) {
      // A full disk under the register is no reason not to open what it says already.
      if (saysMore) throw error;
      this.#options.log(`${(error as Error).message}: it stays as it was`);
    }
    markOrigin(this.#found);
    for (const one of opened) this.#mark(one);
  }

  /** Durable when it resolves. */
  async record(one: Registrand, state: RegisteredState): Promise<void> {
    if (this.#options.readOnly) return;
    const isRead = state === "active";
    const seen = isRead ? await seeStore(atRest(one)) : this.#stores.get(one.name)?.seen;
    this.#stores.set(one.name, { store: this.#stores.get(one.name)?.store ?? newId(), seen });
    const isFirst = this.#found.register.snapshots.get(one.name) === undefined;
    settleIn(this.#found);
    await this.#found.register.change([[one.name, this.#entry(one, state)]]);
    if (!isFirst) return;
    markOrigin(this.#found);
    this.#mark(one);
  }

  /** Durable when it resolves. */
  async remove(one: Registrand): Promise<void> {
    if (this.#options.readOnly) return;
    this.#stores.delete(one.name);
    await this.#found.register.change([[one.name, undefined]]);
    removeMark(one.file.fd);
    markOrigin(this.#found);
  }

  /** The volume closes in good order, everything is flushed: what the active stores hold is what must be there next time. */
  async see(open: readonly Registrand[]): Promise<void> {
    if (this.#options.readOnly) return;
    const changes: RegisterChange[] = [];
    for (const one of open) {
      const entry = this.#found.register.snapshots.get(one.name);
      const known = this.#stores.get(one.name);
      if (entry?.state !== "active" || known?.seen === undefined) continue;
      const seen = await seeStore(atRest(one), known.seen);
      changes.push([one.name, { ...entry, seen, isFinal: true }]);
    }
    if (changes.length > 0) await this.#found.register.change(changes);
  }

  #entry(one: Registrand, state: RegisteredState): RegisteredSnapshot {
    const { file } = one;
    const cow = lastingPath(file.path);
    const known = this.#stores.get(one.name);
    return {
      cow,
      isBeside: false,
      identity: identityOfStore(file),
      state,
      store: known?.store ?? "",
      chunkBytes: one.chunkBytes,
      seen: known?.seen ?? (state === "invalid" ? this.#found.register.snapshots.get(one.name)?.seen : NOTHING_SEEN),
      isFinal: false,
    };
  }

  #mark({ name, file }: Registrand): void {
    if (file.isBlockDevice) return;
    const { register } = this.#found;
    const self = identityOfStore(file);
    const store = this.#stores.get(name)?.store ?? "";
    const now = readMark(file.fd);
    const wanted = { role: "cow", self, register: register.path, id: register.id, name, store } as const;
    if (now !== undefined && (Object.keys(wanted) as (keyof typeof wanted)[]).every((key) => now[key] === wanted[key]))
      return;
    writeMark(file.fd, wanted);
  }

  #checkAbandoned(): void {
    const { abandon, snapshots } = this.#options;
    for (const name of abandon) {
      if (!this.#found.register.snapshots.has(name))
        throw new SnapringError("ENOENT", `there is no registered snapshot '${name}' to give up`, {
          hint: this.#names(),
        });
      if (snapshots.some((one) => one.name === name))
        throw new SnapringError("EINVAL", `snapshot '${name}' is asked for and given up at once`, {
          hint: "say one of the two",
        });
    }
  }

  #names(): string {
    const names = [...this.#found.register.snapshots.keys()];
    return names.length === 0 ? "none is registered" : `registered: ${names.join(", ")}; nothing was given up`;
  }

  /** E-46. */
  #refuseMissing(): void {
    const { abandon, snapshots, origin, readOnly } = this.#options;
    const given = new Set(snapshots.map(({ name, cow }) => knownStore(this.#found, name, cow)?.name));
    for (const [name, { cow, state }] of this.#found.register.snapshots) {
      if (state === "invalid" || given.has(name) || abandon.includes(name)) continue;
      // Readers need not have them all; but a half merged origin is not served raw to anybody (E-36).
      if (readOnly && state === "active") continue;
      throw new SnapringError("EBUSY", `origin ${origin} has a snapshot '${name}' on ${cow} that was not given`, {
        hint: this.#howToGive(name, cow),
      });
    }
  }

  #howToGive(name: string, cow: string): string {
    const { register, standing } = this.#found;
    const giveUp = `give it up with --abandon ${name}`;
    if (standing === "copied" && register.snapshots.get(name)?.isBeside === false)
      return `this is a copy of ${register.origin?.path}, and that store is the original's: copy it, too, and give --snapshot ${name}=COPY, or ${giveUp} in this copy`;
    return `writing the origin without it would break it: give --snapshot ${name}=${cow}, or ${giveUp}`;
  }
}

function changed(
  register: ReadonlyMap<string, RegisteredSnapshot>,
  changes: readonly RegisterChange[],
): typeof register {
  const next = new Map(register);
  for (const [name, entry] of changes) {
    if (entry === undefined) next.delete(name);
    else next.set(name, entry);
  }
  return next;
}

/** What a volume may do depends on nothing that differs. */
function saysTheSame(a: ReadonlyMap<string, RegisteredSnapshot>, b: ReadonlyMap<string, RegisteredSnapshot>): boolean {
  const essence = (register: ReadonlyMap<string, RegisteredSnapshot>): string =>
    JSON.stringify([...register].map(([name, { cow, identity, state }]) => [name, cow, identity, state]).sort());
  return essence(a) === essence(b);
}

function atRest({ file, chunkBytes }: Registrand): StoreAtRest {
  return { fd: file.fd, cowBytes: file.sizeBytes, chunkBytes };
}
