/**
 * The register of an origin's snapshots (E-46): an origin that has persistent snapshots must never be written without them.
 *
 *   ORIGIN.snapshots   { "version": 1, "snapshots": { "monday": { "cow": "/srv/mon.cow", "state": "active" }, … } }
 *
 * It stands beside the origin, for a block device in /var/lib/snapring by a name that lasts (lasting-path.ts), and is replaced as a
 * whole: written beside, flushed, renamed, folder flushed. A snapshot is in it before its first origin write is let through, and
 * is taken out, or marked invalid, before an origin write is let through that it has not preserved (S-70). Transient stores are
 * not in it. A write that has failed is made up for by the next one, whatever it is about.
 */
import { existsSync, realpathSync } from "node:fs";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SnapringError } from "../base/errno.ts";
import { lastingNames, realPath } from "../device/lasting-path.ts";
import { systemError } from "../device/system-error.ts";

export interface RegisteredSnapshot {
  /** Lasting path of the COW device. */
  readonly cow: string;
  readonly state: RegisteredState;
}

/** merging: it is presented in place of the origin, and a part of it may be in the origin already (E-36). */
export type RegisteredState = "active" | "merging" | "invalid";
const STATES: readonly unknown[] = ["active", "merging", "invalid"] satisfies RegisteredState[];

const VERSION = 1;
const BLOCK_DEVICE_FOLDER = "/var/lib/snapring";

/** Where the register of an origin is kept. */
export function registryPath(origin: string, isBlockDevice: boolean): string {
  const real = realpathSync(origin);
  return isBlockDevice ? blockRegister(real, lastingNames(real)) : `${real}.snapshots`;
}

/** Below the best name of the device, or another of its names that it was registered by. */
export function blockRegister(real: string, names: readonly string[], folder: string = BLOCK_DEVICE_FOLDER): string {
  const paths = (names.length > 0 ? names : [basename(real)]).map((name) => join(folder, `${name}.snapshots`));
  return paths.find((path) => existsSync(path)) ?? paths[0];
}

export class Registry {
  readonly path: string;
  readonly #snapshots: Map<string, RegisteredSnapshot>;
  /** What is known here is not what is on disk: the last write has failed. */
  #stale = false;
  /** Writes happen one after the other. */
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string, snapshots: Map<string, RegisteredSnapshot>) {
    this.path = path;
    this.#snapshots = snapshots;
  }

  /**
   * Throws a SnapringError (EINVAL) for a register that cannot be understood: it must not be ignored. `settled`: what is read is
   * durable, and no longer what a dead process has only sent (C-49).
   */
  static async open(path: string, settled = false): Promise<Registry> {
    if (!existsSync(path)) return new Registry(path, new Map());
    if (settled) await settle(path);
    const text = await readFile(path, "utf8");
    return new Registry(path, parse(path, text));
  }

  get snapshots(): ReadonlyMap<string, RegisteredSnapshot> {
    return this.#snapshots;
  }

  /** The names that are registered on this COW device, by whatever path. */
  on(cow: string): ReadonlySet<string> {
    const real = realPath(cow);
    return new Set([...this.#snapshots].filter(([, entry]) => realPath(entry.cow) === real).map(([name]) => name));
  }

  /**
   * Durable when it resolves. After a failure what was recorded before is recorded again, here and, if that can be, on disk, where the
   * new one may stand already; but Invalid stays Invalid, for the origin goes on without the snapshot (S-70).
   */
  async record(name: string, entry: RegisteredSnapshot): Promise<void> {
    const known = this.#snapshots.get(name);
    if (!this.#stale && known?.cow === entry.cow && known.state === entry.state) return this.#last;
    this.#snapshots.set(name, entry);
    try {
      await this.#write();
    } catch (error) {
      if (entry.state !== "invalid") await this.#putBack(name, known);
      throw error;
    }
  }

  async #putBack(name: string, known: RegisteredSnapshot | undefined): Promise<void> {
    if (known === undefined) this.#snapshots.delete(name);
    else this.#snapshots.set(name, known);
    // If it fails, too, the next one makes up for it.
    await this.#write().catch(() => {});
  }

  /** Durable when it resolves. */
  async remove(name: string): Promise<void> {
    if (!this.#snapshots.delete(name) && !this.#stale) return this.#last;
    return this.#write();
  }

  #write(): Promise<void> {
    const text = `${JSON.stringify({ version: VERSION, snapshots: Object.fromEntries(this.#snapshots) }, null, 2)}\n`;
    const write = this.#last.then(() => replaceFile(this.path, text));
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

/** Replace a file so that after a crash it is the old one or the new one, whole. */
async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.new`;
  try {
    await writeDurably(beside, text);
    await rename(beside, path);
  } catch (error) {
    // Where the file system is full, what is half there takes room for nothing.
    await rm(beside, { force: true });
    throw systemError(error, `cannot write the register of snapshots ${path}`);
  }
  await flush(dirname(path));
}

async function settle(path: string): Promise<void> {
  try {
    await flush(path);
    await flush(dirname(path));
  } catch (error) {
    throw systemError(error, `cannot flush the register of snapshots ${path}`);
  }
}

/** A file or a folder. */
async function flush(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function parse(path: string, text: string): Map<string, RegisteredSnapshot> {
  const refuse = (): SnapringError =>
    new SnapringError("EINVAL", `register of snapshots ${path} cannot be understood`, {
      hint: "repair it, or remove it if the origin has no snapshots that matter",
    });
  let value: { version?: unknown; snapshots?: unknown };
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    throw refuse();
  }
  if (value?.version !== VERSION || typeof value.snapshots !== "object" || value.snapshots === null) throw refuse();
  const entries = Object.entries(value.snapshots as Record<string, RegisteredSnapshot>);
  for (const [, entry] of entries) {
    if (typeof entry?.cow !== "string" || !STATES.includes(entry.state)) throw refuse();
  }
  return new Map(entries);
}
