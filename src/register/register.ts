/**
 * The register of an origin's snapshots (E-46): an origin that has persistent snapshots must never be written without them.
 *
 *   ORIGIN.snapshots    beside the origin; for a block device in /var/lib/snapring, by a name that lasts (register-place.ts)
 *
 * A snapshot is in it before its first origin write is let through, and is taken out, or called invalid, before an origin write is let
 * through that it has not preserved (S-70); that it merges stands there before its first chunk is merged (E-36). Transient stores are not in
 * it. A write that has failed is made up for by the next one, whatever it is about.
 *
 * Changes happen one after the other, whole: what one makes of the register is worked out when the one before has been written, or has
 * been taken back. A text that was made while another change was on its way would hold that one, too, also where it fails; and taking
 * that one back would take away what was written since.
 *
 *   change A ──▶ text ──▶ written            change B … waits ──▶ text ──▶ written
 *                    └─ fails: as it was before, here and on disk ──┘
 */
import { Turns } from "../base/turns.ts";
import { newId } from "./mark.ts";
import {
  type FileRights,
  readRegisterFile,
  removeRegisterFile,
  replaceRegisterFile,
  unfinishRegisterFile,
} from "./register-file.ts";
import { thisUser } from "./register-owner.ts";
import {
  formatRegister,
  parseRegister,
  type RegisterContent,
  type RegisteredOrigin,
  type RegisteredSnapshot,
} from "./register-text.ts";

/**
 * Undefined: it is not to be there any more. What is gone, or Invalid, stays so also where that cannot be written: the origin goes on
 * without it (S-70). `isRename`: it goes because it comes under another name.
 */
export interface RegisterChange {
  readonly name: string;
  readonly entry: RegisteredSnapshot | undefined;
  readonly isRename?: boolean;
}

/** Made of what is registered by then, where it depends on it. */
export type RegisterChanges =
  | readonly RegisterChange[]
  | ((now: ReadonlyMap<string, RegisteredSnapshot>) => readonly RegisterChange[]);

/** A register as plain values, for another thread. */
export interface RegisterCopy {
  readonly path: string;
  readonly content: RegisterContent;
  readonly rights: FileRights | undefined;
}

/** Where the register is to stand, and which origin it is about, from a change on. A copy gets an id of its own. */
export interface RegisterHome {
  readonly path: string;
  readonly origin: RegisteredOrigin;
  readonly isCopy: boolean;
}

/** Undefined: it stays where it is, and what it is about. */
export type NewHome = () => RegisterHome | undefined | Promise<RegisterHome | undefined>;

/** Who writes it: this thread, or another one for it. Each is durable when it resolves, and rejects with a SnapringError (register-file.ts). */
export interface RegisterWriter {
  replace(path: string, text: string, rights: FileRights | undefined): Promise<void>;
  unfinish(path: string): Promise<void>;
  remove(path: string): Promise<void>;
}

const HERE: RegisterWriter = {
  replace: (path, text, rights) => replaceRegisterFile(path, text, rights),
  unfinish: (path) => unfinishRegisterFile(path),
  remove: (path) => removeRegisterFile(path),
};

export class Register {
  #path: string;
  #content: RegisterContent;
  /** What is known here is not what is on disk: the last write has failed. */
  #stale = false;
  readonly #turns = new Turns();

  /** Undefined: it is made by us. */
  readonly #rights: FileRights | undefined;
  readonly #writer: RegisterWriter;

  private constructor(path: string, content: RegisterContent, rights?: FileRights, writer: RegisterWriter = HERE) {
    this.#path = path;
    this.#content = content;
    this.#rights = rights;
    this.#writer = writer;
  }

  /**
   * Undefined where there is none. Throws a SnapringError for one that cannot be understood, or is not believed. `settle`: it may be acted
   * upon (C-49). `about`: the owner of the file that it is about.
   */
  static async read(path: string, settle: boolean, about: number = thisUser()): Promise<Register | undefined> {
    const read = await readRegisterFile(path, settle, about);
    return read === undefined ? undefined : new Register(path, parseRegister(path, read.text), read.rights);
  }

  /** An empty one, which is on disk with its first change. */
  static fresh(path: string, origin: RegisteredOrigin): Register {
    return new Register(path, { id: newId(), origin, snapshots: new Map() });
  }

  static of({ path, content, rights }: RegisterCopy, writer: RegisterWriter = HERE): Register {
    return new Register(path, content, rights, writer);
  }

  /** As it is now. */
  get copy(): RegisterCopy {
    return { path: this.#path, content: this.#content, rights: this.#rights };
  }

  get path(): string {
    return this.#path;
  }

  /** Whose word it is (register-owner.ts). */
  get owner(): number {
    return this.#rights?.uid ?? thisUser();
  }

  get id(): string {
    return this.#content.id;
  }

  /** Undefined in version 1. */
  get origin(): RegisteredOrigin | undefined {
    return this.#content.origin;
  }

  get snapshots(): ReadonlyMap<string, RegisteredSnapshot> {
    return this.#content.snapshots;
  }

  /**
   * Durable when it resolves; with a line that a person should see, if any. After a failure the register says what it said before, here and, if
   * that can be, on disk. Functions are asked when it is this change's turn: what they see is what is registered then.
   */
  change(changes: RegisterChanges, home?: NewHome): Promise<string | undefined> {
    return this.#turns.take(async () => {
      const to = await home?.();
      return await this.#change(typeof changes === "function" ? changes(this.snapshots) : changes, to);
    });
  }

  /** No store is what it was at the last close any more: said without taking room. Throws a SnapringError where not even that can be. */
  unfinish(): Promise<void> {
    return this.#turns.take(async () => {
      const { snapshots } = this.#content;
      if ([...snapshots.values()].every((entry) => !entry.isFinal)) return;
      await this.#writer.unfinish(this.#path);
      for (const [name, entry] of snapshots) snapshots.set(name, { ...entry, isFinal: false });
    });
  }

  /** Nothing stands in it: the file goes. One that stays says the same. */
  removeEmpty(): Promise<void> {
    return this.#turns.take(async () => {
      if (this.#content.snapshots.size > 0) return;
      this.#stale = true;
      await this.#writer.remove(this.#path).catch(() => {});
    });
  }

  async #change(changes: readonly RegisterChange[], home: RegisterHome | undefined): Promise<string | undefined> {
    const path = home?.path ?? this.#path;
    const before = this.#content;
    const next = changed(before, changes, home);
    if (!this.#stale && path === this.#path && isSame(before, next)) return undefined;
    this.#content = next;
    try {
      await this.#write(path);
    } catch (error) {
      this.#content = changed(before, changes.filter(isFinal));
      // The new one may stand on disk already. If this fails, too, the next one makes up for it.
      if (path === this.#path) await this.#write(path).catch(() => {});
      throw error;
    }
    const former = this.#path;
    this.#path = path;
    return former === path ? undefined : this.#leave(former, path);
  }

  async #write(path: string): Promise<void> {
    this.#stale = true;
    await this.#writer.replace(path, formatRegister(path, this.#content), this.#rights);
    this.#stale = false;
  }

  /** Whatever led to the former one finds the new one by its mark. What the new one says stands, also where the former cannot be taken away. */
  async #leave(former: string, path: string): Promise<string | undefined> {
    try {
      await this.#writer.remove(former);
      return undefined;
    } catch (error) {
      return `${(error as Error).message}: it is out of date, for ${path} has taken its place; take it away`;
    }
  }
}

function changed(content: RegisterContent, changes: readonly RegisterChange[], home?: RegisterHome): RegisterContent {
  const snapshots = new Map(content.snapshots);
  for (const { name, entry } of changes) {
    if (entry === undefined) snapshots.delete(name);
    else snapshots.set(name, entry);
  }
  const id = home?.isCopy === true || content.id === "" ? newId() : content.id;
  return { id, origin: home?.origin ?? content.origin, snapshots };
}

function isFinal({ entry, isRename }: RegisterChange): boolean {
  return entry === undefined ? isRename !== true : entry.state === "invalid";
}

function isSame(a: RegisterContent, b: RegisterContent): boolean {
  const text = ({ id, origin, snapshots }: RegisterContent): string => JSON.stringify([id, origin, [...snapshots]]);
  return text(a) === text(b);
}
