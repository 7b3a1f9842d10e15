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
import { advice, say } from "../base/advice.ts";
import { type ErrnoName, SnapringError } from "../base/errno.ts";
import { alignDown, SECTOR_BYTES } from "../base/units.ts";
import { deviceFacts } from "../device/device-facts.ts";
import { lastingPath, realPath } from "../device/lasting-path.ts";
import { givenUp } from "../register/abandon.ts";
import { howToGive } from "../register/how-to-give.ts";
import { findStore, identityOfStore, knownStore, type ReadStore, withMarked } from "../register/known-store.ts";
import { ensureMark, type Mark, newId, removeMark } from "../register/mark.ts";
import { findRegister, markOrigin, newHome, type OriginRegister } from "../register/origin-register.ts";
import type { RegisterChange } from "../register/register.ts";
import type { RegisteredSnapshot, RegisteredState } from "../register/register-text.ts";
import { NOTHING_SEEN, seeStore, type StoreAtRest } from "../register/seen-store.ts";
import type { DigestWord, SeenStore } from "../register/store-digest.ts";
import { type OpenAs, tieMissing, tieStore, type Words } from "../register/tie.ts";
import type { DeviceFile } from "../device/device-file.ts";
import type { Openings } from "./opening-pool.ts";
import type { VolumeDevice } from "./volume-device.ts";
import type { CompleteOptions } from "./complete-options.ts";
import type { SnapshotOptions } from "./volume-options.ts";

const UNWRITABLE: readonly string[] = ["EROFS", "EACCES", "EPERM"];

/** A snapshot that is being registered. */
export interface Registrand {
  readonly name: string;
  readonly file: DeviceFile;
  readonly chunkBytes: number;
}

/** `most`: how many of its exceptions are durable; all of them where it is not said. */
export type SeenRegistrand = Registrand & { readonly most?: number };

/** Replaced as a whole with each record of it. */
interface KnownStore {
  readonly store: string;
  readonly seen: SeenStore | undefined;
}

export class RegisteredSet {
  readonly #options: CompleteOptions;
  readonly #found: OriginRegister;
  readonly #words: Words;
  readonly #openings: Openings;
  /** The origin is only read, its register cannot be written, and the user does without it. */
  #without = false;
  /** What is known of the stores that are open, by name: ids, and what was seen last. */
  readonly #stores = new Map<string, KnownStore>();

  private constructor(options: CompleteOptions, found: OriginRegister, words: Words, openings: Openings) {
    this.#options = options;
    this.#found = found;
    this.#words = words;
    this.#openings = openings;
  }

  /** Throws a SnapringError (EBUSY, ENOENT) that names the snapshot which is missing, or the name that is not registered. */
  static async open(
    origin: VolumeDevice,
    options: CompleteOptions,
    openings: Openings,
    stop?: AbortSignal,
  ): Promise<RegisteredSet> {
    const { moved, unregistered, readOnly, snapshots } = options;
    const words = { moved, unregistered };
    const { fd, path, sizeBytes } = origin.file;
    const found = await findRegister({ fd, path, sizeBytes }, words, !readOnly);
    const registered = [...found.register.snapshots.values()];
    // Before main itself asks what stands there: a file system that does not answer keeps an opening thread, not main.
    await openings.run(
      "look",
      [...registered, ...snapshots].map(({ cow }) => cow),
      { stop },
    );
    const set = new RegisteredSet(options, found, words, openings);
    set.#checkAbandoned();
    set.#refuseMissing();
    return set;
  }

  /** What the store that is asked for was when it was last seen; undefined: nothing is known. */
  seen(options: SnapshotOptions): SeenStore | undefined {
    const entry = knownStore(this.#found, options.name, options.cow)?.entry;
    return entry?.state === "invalid" ? undefined : entry?.seen;
  }

  /** The COW file is not there: it is made, or a SnapringError says why not. */
  missing({ name, cow, size }: SnapshotOptions): void {
    tieMissing(name, cow, knownStore(this.#found, name, cow), size !== undefined, this.#options.readOnly);
  }

  /** The store is open and read. Throws a SnapringError; else how it is opened. `make`: it must be a new one. */
  async tie(
    options: SnapshotOptions,
    file: DeviceFile,
    read: ReadStore,
    digest: DigestWord,
    make: boolean,
  ): Promise<OpenAs> {
    const { name } = options;
    const known = knownStore(this.#found, name, options.cow, identityOfStore(file));
    const content = options.force === true ? undefined : read.content;
    const found = await findStore(file, { ...read, content }, digest, this.#found, known);
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
    // A mark that leads elsewhere is not believed, and goes.
    if (this.#words.unregistered && register.snapshots.size === 0) markOrigin(this.#found);
    if (opened.length === 0 && register.snapshots.size === 0) return;
    const names = [...new Set(this.#options.abandon)];
    const lines = names.length === 0 ? [] : await this.#giveUp(names);
    const changes: RegisterChange[] = names.map((name) => ({ name, entry: undefined }));
    const given = new Set(opened.map(({ name }) => name));
    for (const one of opened) {
      const entry = this.#entry(one, one.state);
      // The same COW device under the name that it had before.
      for (const [name, { cow }] of register.snapshots)
        if (!given.has(name) && realPath(cow) === realPath(entry.cow))
          changes.push({ name, entry: undefined, isRename: true });
      changes.push({ name: one.name, entry });
    }
    if (!(await this.#canDo(() => this.#write(changes)))) return;
    for (const line of lines) this.#options.log(line);
    for (const one of opened) this.#mark(one);
  }

  /** Lines for the log. */
  #giveUp(names: readonly string[]): Promise<readonly string[]> {
    const all = names.map((name) => givenUp(name, this.#found));
    return this.#openings.run("abandonAll", { all, words: this.#words, unlocked: this.#options.unlocked });
  }

  /** At opening: a full disk under the register is no reason not to open what it says already. */
  async #write(changes: readonly RegisterChange[]): Promise<void> {
    const { register } = this.#found;
    const before = register.snapshots;
    const home = newHome(this.#found);
    try {
      this.#say(await register.change(changes, () => home));
    } catch (error) {
      if (home !== undefined || changes.some((one) => saysMore(before, one))) throw error;
      await register.unfinish();
      this.#options.log(`${(error as Error).message}: it stays as it was`);
      return;
    }
    ifPossible(() => markOrigin(this.#found));
  }

  /**
   * The register stands beside the origin. Where that is on a medium that is not to be written, nothing there can remember the snapshots: only
   * who says so goes on, for an origin that is written after all would spoil them and nobody would notice. False: it goes on without.
   */
  async #canDo(write: () => Promise<void>): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      const { readOnly, originReadOnly, log } = this.#options;
      const { code, message } = error as SnapringError;
      if (readOnly || !originReadOnly || !UNWRITABLE.includes(code)) throw error;
      if (!this.#words.unregistered) {
        throw new SnapringError(code as ErrnoName, message, {
          hint: advice`${say.unregistered} serves the read-only origin without it: then nobody must ever write that origin, for its snapshots would be spoiled`,
          cause: error,
        });
      }
      this.#without = true;
      log(`${message}: the snapshots are not registered; nobody must write the origin`);
      return false;
    }
  }

  /** Durable when it resolves. */
  async record(one: Registrand, state: RegisteredState): Promise<void> {
    if (this.#options.readOnly || this.#without) return;
    const known = this.#stores.get(one.name);
    const seen = state === "active" ? await seeStore(atRest(one)) : known?.seen;
    this.#stores.set(one.name, { store: known?.store ?? newId(), seen });
    const changes = [{ name: one.name, entry: this.#entry(one, state) }];
    const change = async (): Promise<void> =>
      this.#say(await this.#found.register.change(changes, () => newHome(this.#found)));
    if (!(await this.#canDo(change))) return;
    ifPossible(() => markOrigin(this.#found));
    this.#mark(one);
  }

  /** Durable when it resolves. */
  async remove(one: Registrand): Promise<void> {
    if (this.#options.readOnly || this.#without) return;
    this.#stores.delete(one.name);
    await this.#found.register.change([{ name: one.name, entry: undefined }]);
    ifPossible(() => withMarked(one.file, removeMark));
    ifPossible(() => markOrigin(this.#found));
  }

  /**
   * What the active stores hold is what must be there next time. `isFinal`: the volume closes in good order, everything is flushed;
   * otherwise the lists may grow meanwhile.
   */
  async see(open: readonly SeenRegistrand[], isFinal: boolean): Promise<void> {
    if (this.#options.readOnly || this.#without) return;
    const looks: { name: string; known: KnownStore; seen: SeenStore }[] = [];
    for (const one of open) {
      const { name, most } = one;
      const known = this.#stores.get(name);
      if (known?.seen === undefined || this.#found.register.snapshots.get(name)?.state !== "active") continue;
      looks.push({ name, known, seen: await seeStore(atRest(one), known.seen, most) });
    }
    if (looks.length === 0) return;
    // Reading takes its time: what has been dropped or merges by now, or is Invalid, must not be called active again.
    await this.#found.register.change((now) => {
      const changes: RegisterChange[] = [];
      for (const { name, known, seen } of looks) {
        const entry = now.get(name);
        if (entry?.state !== "active" || this.#stores.get(name) !== known) continue;
        this.#stores.set(name, { ...known, seen });
        changes.push({ name, entry: { ...entry, seen, isFinal } });
      }
      return changes;
    });
  }

  #say(line: string | undefined): void {
    if (line !== undefined) this.#options.log(line);
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
    const { register } = this.#found;
    const store = this.#stores.get(name)?.store ?? "";
    const mark: Mark = {
      role: "cow",
      self: identityOfStore(file),
      register: register.path,
      id: register.id,
      name,
      store,
    };
    ifPossible(() => withMarked(file, (fd) => ensureMark(fd, mark)));
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

  /** All that are registered must be given, or given up (E-46). A store in memory is no store of a registered snapshot. */
  #refuseMissing(): void {
    const { abandon, snapshots, origin, originReadOnly } = this.#options;
    const persistent = snapshots.filter(({ store }) => store !== "N");
    const given = new Set(persistent.map(({ name, cow }) => knownStore(this.#found, name, cow)?.name));
    for (const [name, { cow, state }] of this.#found.register.snapshots) {
      if (state === "invalid" || given.has(name) || abandon.includes(name)) continue;
      // Who does not write the origin need not have them all; but a half merged origin is not served raw to anybody (E-36).
      if (originReadOnly && state === "active") continue;
      throw new SnapringError("EBUSY", `origin ${origin} has a snapshot '${name}' on ${cow} that was not given`, {
        hint: howToGive(name, this.#found),
      });
    }
  }

  /** A store in memory, on this COW device. Throws a SnapringError (EBUSY) where the name or the device is registered. */
  refuseTransient({ name, cow }: SnapshotOptions): void {
    const known = knownStore(this.#found, name, cow);
    if (known === undefined || known.entry.state === "invalid") return;
    const { entry } = known;
    throw new SnapringError(
      "EBUSY",
      `snapshot '${known.name}' is registered on ${entry.cow}: no store in memory can take its place`,
      {
        hint: advice`name another, or give it up with ${say.abandon(known.name)}`,
      },
    );
  }
}

/**
 * The register is written, and counts: whatever cannot be opened for its mark (the file of a loop device, where no descriptor is left) goes without, as
 * one that knows no attributes. An order that failed by it would be registered all the same.
 */
function ifPossible(mark: () => void): void {
  try {
    mark();
  } catch (error) {
    if (typeof (error as { code?: unknown }).code !== "string") throw error;
  }
}

/** What a volume may do depends on it. */
function saysMore(before: ReadonlyMap<string, RegisteredSnapshot>, { name, entry }: RegisterChange): boolean {
  const known = before.get(name);
  if (known === undefined || entry === undefined) return known !== entry;
  const essence = ({ cow, identity, state, store }: RegisteredSnapshot): string =>
    JSON.stringify([cow, identity, state, store]);
  return essence(known) !== essence(entry);
}

/** As large as the device is now: it may have grown. */
function atRest({ file, chunkBytes }: Registrand): StoreAtRest {
  return { fd: file.fd, cowBytes: alignDown(deviceFacts(file.fd).sizeBytes, SECTOR_BYTES), chunkBytes };
}
