/**
 * The register of an origin's snapshots (E-46): an origin that has persistent snapshots must never be written without them.
 *
 *   ORIGIN.snapshots    beside the origin; for a block device in /var/lib/snapring, by a name that lasts (register-place.ts)
 *
 * A snapshot is in it before its first origin write is let through, and is taken out, or called invalid, before an origin write is let
 * through that it has not preserved (S-70); that it merges stands there before its first chunk is merged (E-36). Transient stores are not in
 * it. A write that has failed is made up for by the next one, whatever it is about. Runs on main; writes happen one after the other.
 */
import { newId } from "./mark.ts";
import { readRegisterFile, removeRegisterFile, replaceRegisterFile } from "./register-file.ts";
import {
  formatRegister,
  parseRegister,
  type RegisterContent,
  type RegisteredOrigin,
  type RegisteredSnapshot,
} from "./register-text.ts";

/** Undefined: it is not to be there any more. */
export type RegisterChange = readonly [name: string, entry: RegisteredSnapshot | undefined];

export class Register {
  #path: string;
  /** Where it was read: gone once it has been written elsewhere. */
  #old: string | undefined;
  #content: RegisterContent;
  /** What is known here is not what is on disk: the last write has failed, or nothing was written yet. */
  #stale: boolean;
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string, content: RegisterContent, stale: boolean) {
    this.#path = path;
    this.#content = content;
    this.#stale = stale;
  }

  /** Undefined where there is none. Throws a SnapringError for one that cannot be understood. `settle`: it may be acted upon (C-49). */
  static async read(path: string, settle: boolean): Promise<Register | undefined> {
    const text = await readRegisterFile(path, settle);
    return text === undefined ? undefined : new Register(path, parseRegister(path, text), false);
  }

  /** An empty one, which is on disk with its first change. */
  static fresh(path: string, origin: RegisteredOrigin): Register {
    return new Register(path, { id: newId(), origin, snapshots: new Map() }, false);
  }

  get path(): string {
    return this.#path;
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
   * It is about this origin from the next change on, and stands at `path`. A copy gets an id of its own: marks of the original lead to
   * the original.
   */
  adopt(path: string, origin: RegisteredOrigin, isCopy: boolean): void {
    const known = this.#content;
    const same = known.origin?.path === origin.path && known.origin.identity === origin.identity;
    if (same && known.origin?.bytes === origin.bytes && path === this.#path && known.id !== "" && !isCopy) return;
    if (path !== this.#path) this.#old ??= this.#path;
    this.#path = path;
    this.#content = { ...known, id: isCopy || known.id === "" ? newId() : known.id, origin };
    this.#stale = true;
  }

  /** Durable when it resolves. After a failure the register says what it said before, here and, if that can be, on disk. */
  async change(changes: readonly RegisterChange[]): Promise<void> {
    const { snapshots } = this.#content;
    const before = new Map(snapshots);
    for (const [name, entry] of changes) {
      if (entry === undefined) snapshots.delete(name);
      else snapshots.set(name, entry);
    }
    if (!this.#stale && isEqual(before, snapshots)) return this.#last;
    try {
      await this.#write();
    } catch (error) {
      await this.#putBack(changes, before);
      throw error;
    }
  }

  /** What was recorded before is recorded again; but Invalid stays Invalid, and what is gone is gone: the origin goes on without (S-70). */
  async #putBack(changes: readonly RegisterChange[], before: ReadonlyMap<string, RegisteredSnapshot>): Promise<void> {
    const { snapshots } = this.#content;
    for (const [name, entry] of changes) {
      const known = before.get(name);
      if (entry === undefined || entry.state === "invalid") continue;
      if (known === undefined) snapshots.delete(name);
      else snapshots.set(name, known);
    }
    // The new one may stand on disk already. If this fails, too, the next one makes up for it.
    await this.#write().catch(() => {});
  }

  #write(): Promise<void> {
    const path = this.#path;
    const text = formatRegister(path, this.#content);
    const write = this.#last.then(async () => {
      await replaceRegisterFile(path, text);
      if (this.#old !== undefined) await removeRegisterFile(this.#old);
      this.#old = undefined;
    });
    this.#last = write.then(
      () => {
        this.#stale = false;
      },
      () => {
        this.#stale = true;
      },
    );
    return write;
  }
}

function isEqual(a: ReadonlyMap<string, RegisteredSnapshot>, b: ReadonlyMap<string, RegisteredSnapshot>): boolean {
  return JSON.stringify([...a]) === JSON.stringify([...b]);
}
