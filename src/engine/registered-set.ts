/**
 * The register beside the snapshots of a volume: what may be opened, made and given up, and what is written down of it (E-46).
 *
 *   open      find the register ─▶ every registered snapshot is given, or given up by a name that is registered ─▶ …
 *   tie       … each store, open and read: is it the one? (register/tie.ts) ─▶ …
 *   settle    … all stores are good: those given up are marked Invalid; then one write of the register, before the origin accepts a write
 *   record    a snapshot comes, merges, becomes Invalid, or goes
 *   see       at close: what the stores hold now
 *
 * Nothing is changed before everything has been looked at. Runs on main, which asks no file system itself: what stands where, and marks, are an opening
 * thread's (opening/register-tasks.ts), which also reads and writes the register.
 */
import { advice, say } from "../base/advice.ts";
import { type ErrnoName, SnapringError } from "../base/errno.ts";
import { givenUp } from "../register/abandon.ts";
import { howToGive } from "../register/how-to-give.ts";
import type { Places, StorePlace } from "../opening/register-tasks.ts";
import { newId } from "../register/mark.ts";
import type { OriginRegister } from "../register/origin-register.ts";
import type { RegisterChange } from "../register/register.ts";
import type { RegisteredSnapshot, RegisteredState } from "../register/register-text.ts";
import { NOTHING_SEEN } from "../register/seen-store.ts";
import type { SeenStore } from "../register/store-digest.ts";
import { type Known, type OpenAs, tieMissing, tieStore, type Words } from "../register/tie.ts";
import type { Openings } from "./opening-pool.ts";
import { withRegistered } from "./registered-options.ts";
import { type OpenStore, RegisterTasks } from "./register-tasks.ts";
import type { StoreRead, StoreSurroundings } from "./store-opening.ts";
import type { VolumeDevice } from "./volume-device.ts";
import type { CompleteOptions } from "./complete-options.ts";
import type { SnapshotOptions } from "./volume-options.ts";

const UNWRITABLE: readonly string[] = ["EROFS", "EACCES", "EPERM"];

/** A snapshot that is being registered. */
export interface Registrand extends OpenStore {
  readonly name: string;
}

/** `most`: how many of its exceptions are durable; all of them where it is not said. */
export type SeenRegistrand = Registrand & { readonly most?: number };

/** Replaced as a whole with each record of it. */
interface KnownStore {
  readonly store: string;
  readonly seen: SeenStore | undefined;
}

export class RegisteredSet {
  /** With the snapshots that the register adds, where they ask for that. */
  readonly options: CompleteOptions;
  readonly #tasks: RegisterTasks;
  readonly #found: OriginRegister;
  readonly #words: Words;
  /** The origin is only read, its register cannot be written, and the user does without it. */
  #without = false;
  /** What is known of the stores that are open, by name: ids, and what was seen last. */
  readonly #stores = new Map<string, KnownStore>();
  readonly #underWay = new Set<Promise<void>>();

  private constructor(options: CompleteOptions, tasks: RegisterTasks, words: Words) {
    this.options = options;
    this.#tasks = tasks;
    this.#found = tasks.found;
    this.#words = words;
  }

  /** Throws a SnapringError (EBUSY, ENOENT) that names the snapshot which is missing, or the name that is not registered. */
  static async open(
    origin: VolumeDevice,
    options: CompleteOptions,
    openings: Openings,
    stop?: AbortSignal,
  ): Promise<RegisteredSet> {
    const { moved, unregistered, readOnly } = options;
    const words = { moved, unregistered };
    const tasks = await RegisterTasks.find(openings, origin, words, !readOnly, stop);
    const set = new RegisteredSet(await withRegistered(options, tasks, stop), tasks, words);
    set.#checkAbandoned();
    const persistent = set.options.snapshots.filter(({ store }) => store !== "N");
    set.#refuseMissing(await tasks.look(persistent, stop));
    return set;
  }

  /** What stands at the path of a store that is asked for, and what is known of it. */
  async look(options: SnapshotOptions, stop: AbortSignal | undefined): Promise<StorePlace> {
    const [place] = await this.#tasks.look([options], stop);
    return place;
  }

  /** The COW file is not there: it is made, or a SnapringError says why not. */
  missing({ name, cow, size }: SnapshotOptions, known: Known | undefined): void {
    tieMissing(name, cow, known, size !== undefined, this.options.readOnly);
  }

  /** The store is open and read. Throws a SnapringError; else how it is opened. `make`: it must be a new one. */
  async tie(
    options: SnapshotOptions,
    { cow: device, read: given, digest }: StoreRead,
    { make, stop }: Pick<StoreSurroundings, "make" | "stop">,
  ): Promise<OpenAs> {
    const { name, cow } = options;
    const read = { ...given, content: options.force === true ? undefined : given.content };
    const { known, store: found } = await this.#tasks.tie(device, { name, cow, read, digest }, stop);
    if (make && found.state !== "new") {
      throw new SnapringError("EEXIST", `${cow} holds a store already: it is no snapshot of this moment`, {
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
    if (this.options.readOnly) return;
    await this.#tracked(this.#settle(opened));
  }

  /** A snapshot of this name is registered. */
  names(name: string): boolean {
    return this.#found.register.snapshots.has(name);
  }

  /** Resolves when nothing of what was asked for so far is under way: then the origin's lock may go, and the descriptors that are looked at. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #tracked(work: Promise<void>): Promise<void> {
    this.#underWay.add(work);
    try {
      await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  async #settle(opened: readonly (Registrand & { readonly state: RegisteredState })[]): Promise<void> {
    const { register } = this.#found;
    // A mark that leads elsewhere is not believed, and goes.
    if (this.#words.unregistered && register.snapshots.size === 0) await this.#mark([]);
    if (opened.length === 0 && register.snapshots.size === 0) return;
    const names = [...new Set(this.options.abandon)];
    const all = names.map((name) => givenUp(name, this.#found));
    const { unlocked } = this.options;
    const lines = names.length === 0 ? [] : await this.#tasks.abandon({ all, words: this.#words, unlocked });
    const changes: RegisterChange[] = names.map((name) => ({ name, entry: undefined }));
    const given = new Set(opened.map(({ name }) => name));
    const others = [...register.snapshots].filter(([name]) => !given.has(name));
    const places = await this.#tasks.places(
      opened,
      others.map(([, { cow }]) => cow),
    );
    for (const [i, one] of opened.entries()) {
      // The same COW device under the name that it had before.
      for (const [j, [name]] of others.entries())
        if (places.paths[j] === places.cows[i]) changes.push({ name, entry: undefined, isRename: true });
      changes.push({ name: one.name, entry: this.#entry(one, one.state, places.stores[i]) });
    }
    if (!(await this.#canDo(() => this.#write(changes)))) return;
    for (const line of lines) this.options.log(line);
    await this.#mark(opened);
  }

  /** At opening: a full disk under the register is no reason not to open what it says already. */
  async #write(changes: readonly RegisterChange[]): Promise<void> {
    const { register } = this.#found;
    const before = register.snapshots;
    const home = await this.#tasks.home();
    try {
      this.#say(await register.change(changes, () => home));
    } catch (error) {
      if (home !== undefined || changes.some((one) => saysMore(before, one))) throw error;
      await register.unfinish();
      this.options.log(`${(error as Error).message}: it stays as it was`);
    }
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
      const { readOnly, originReadOnly, log } = this.options;
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
    if (this.options.readOnly || this.#without) return;
    await this.#tracked(this.#record(one, state));
  }

  async #record(one: Registrand, state: RegisteredState): Promise<void> {
    const known = this.#stores.get(one.name);
    const seen = state === "active" ? await this.#tasks.seen(one) : known?.seen;
    const { stores } = await this.#tasks.places([one]);
    this.#stores.set(one.name, { store: known?.store ?? newId(), seen });
    const changes = [{ name: one.name, entry: this.#entry(one, state, stores[0]) }];
    const change = async (): Promise<void> =>
      this.#say(await this.#found.register.change(changes, () => this.#tasks.home()));
    if (!(await this.#canDo(change))) return;
    await this.#mark([one]);
  }

  /** Durable when it resolves. */
  async remove(one: Registrand): Promise<void> {
    if (this.options.readOnly || this.#without) return;
    await this.#tracked(this.#remove(one));
  }

  async #remove(one: Registrand): Promise<void> {
    this.#stores.delete(one.name);
    await this.#found.register.change([{ name: one.name, entry: undefined }]);
    await this.#mark([one]);
  }

  /**
   * What the active stores hold is what must be there next time. `isFinal`: the volume closes in good order, everything is flushed;
   * otherwise the lists may grow meanwhile.
   */
  async see(open: readonly SeenRegistrand[], isFinal: boolean): Promise<void> {
    if (this.options.readOnly || this.#without) return;
    const looks: { name: string; known: KnownStore; seen: SeenStore }[] = [];
    for (const one of open) {
      const { name, most } = one;
      const known = this.#stores.get(name);
      if (known?.seen === undefined || this.#found.register.snapshots.get(name)?.state !== "active") continue;
      looks.push({ name, known, seen: await this.#tasks.seen(one, known.seen, most) });
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
    if (line !== undefined) this.options.log(line);
  }

  #entry(one: Registrand, state: RegisteredState, place: Places["stores"][number]): RegisteredSnapshot {
    const known = this.#stores.get(one.name);
    return {
      ...place,
      isBeside: false,
      state,
      store: known?.store ?? "",
      chunkBytes: one.chunkBytes,
      seen: known?.seen ?? (state === "invalid" ? this.#found.register.snapshots.get(one.name)?.seen : NOTHING_SEEN),
      isFinal: false,
    };
  }

  /** The origin, and stores: as what they are registered by now, or as nothing any more. */
  #mark(opened: readonly Registrand[]): Promise<void> {
    return this.#tasks.mark(opened.map(({ name, cow }) => ({ name, cow, store: this.#stores.get(name)?.store })));
  }

  #checkAbandoned(): void {
    const { abandon, snapshots } = this.options;
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
  #refuseMissing(places: readonly StorePlace[]): void {
    const { abandon, origin, originReadOnly } = this.options;
    const given = new Set(places.map(({ known }) => known?.name));
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
  refuseTransient(known: Known | undefined): void {
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

/** What a volume may do depends on it. */
function saysMore(before: ReadonlyMap<string, RegisteredSnapshot>, { name, entry }: RegisterChange): boolean {
  const known = before.get(name);
  if (known === undefined || entry === undefined) return known !== entry;
  const essence = ({ cow, identity, state, store }: RegisteredSnapshot): string =>
    JSON.stringify([cow, identity, state, store]);
  return essence(known) !== essence(entry);
}
