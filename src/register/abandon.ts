/**
 * A registered snapshot is given up: its store is marked Invalid, so that nobody takes it for good once the origin is written without it.
 *
 *   register says          what is there                             what happens to it
 *   active, merging        the registered store                      its header says Invalid, durably; its mark goes
 *                          the same, and it cannot be written        said in words: it must not be used again
 *                          nothing                                   the same
 *                          another file, a store of the original     left alone, said in words
 *                          a store whose mark names another          the same: a register that somebody has put there says nothing of
 *                          register, or of an owner for whom this    what is not its own (register-owner.ts)
 *                          register does not speak
 *   invalid                anything                                  left alone
 *
 * All that are to be given up are opened, locked and looked at before the first is marked. The entry goes out of the register in any case;
 * whoever calls this writes it, and then says what was done.
 */
import { existsSync, fstatSync } from "node:fs";
import { SnapringError } from "../base/errno.ts";
import { DeviceFile, writeMode } from "../device/device-file.ts";
import { decodeHeader, encodeHeader, HEADER_BYTES, SNAP_MAGIC } from "../format/disk-header.ts";
import { compareIdentities, identityOf } from "./identity.ts";
import { ownMark, withMarked } from "./known-store.ts";
import { removeMark } from "./mark.ts";
import type { OriginRegister, Words } from "./origin-register.ts";
import type { Register } from "./register.ts";
import { mayGiveUp } from "./register-owner.ts";
import type { RegisteredSnapshot } from "./register-text.ts";

export class Abandonment implements Disposable {
  readonly name: string;
  /** For the log, once it is done. */
  readonly line: string;
  readonly #file: DeviceFile | undefined;

  /** Throws a SnapringError: its COW device is in use. `name` is registered. */
  constructor(name: string, found: OriginRegister, words: Words, unlocked: boolean) {
    this.name = name;
    const entry = found.register.snapshots.get(name) as RegisteredSnapshot;
    if (entry.state === "invalid") {
      this.line = `${name}: was Invalid; it is forgotten`;
      return;
    }
    const store = openStoreOf(entry, found, words, unlocked);
    const half = entry.state === "merging" ? "; the origin stays half merged with it" : "";
    const left = typeof store === "string" ? `. ${entry.cow} ${store}` : "";
    this.#file = typeof store === "string" ? undefined : store;
    this.line = `${name}: given up; the origin may be written without it${half}${left}`;
  }

  /** Durable when it returns. Throws a SnapringError where the device fails. */
  act(): void {
    if (this.#file === undefined) return;
    markInvalid(this.#file);
    withMarked(this.#file, removeMark);
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }
}

/** Or why it is left as it is. */
function openStoreOf(
  entry: RegisteredSnapshot,
  { standing, register }: OriginRegister,
  { moved }: Words,
  unlocked: boolean,
): DeviceFile | string {
  // What is outside of a folder that was copied, or may have been, is the original's.
  if (standing !== "home" && !moved && !entry.isBeside) return "is the original's, and is left as it is";
  if (!existsSync(entry.cow)) return "is not there: it must not be used again when it comes back";
  let file: DeviceFile;
  try {
    file = new DeviceFile(entry.cow, writeMode(unlocked), "COW device");
  } catch (error) {
    if (!(error instanceof SnapringError) || ["EBUSY", "ENOLCK"].includes(error.code)) throw error;
    return `cannot be marked Invalid (${error.message}): it must not be used again`;
  }
  const likeness = compareIdentities(entry.identity, identityOf(file.fd, entry.cow));
  const isIts = standing === "home" ? likeness !== "different" : likeness !== "same" || standing === "cloned" || moved;
  const foreign = isIts ? foreignOf(file, register) : OTHERS[standing === "home" ? "file" : "origin"];
  if (foreign === undefined) return file;
  file[Symbol.dispose]();
  return `${foreign}, and is left as it is`;
}

const OTHERS = {
  file: "is another file than the one that was registered",
  origin: "is the store of another origin",
  user: "belongs to another user than the register that names it",
} as const;

/** Undefined: this register may speak for it. */
function foreignOf(file: DeviceFile, register: Register): string | undefined {
  const mark = ownMark(file);
  if (mark !== undefined && mark.register !== "" && mark.id !== register.id) return OTHERS.origin;
  return mayGiveUp(register.owner, fstatSync(file.fd).uid) ? undefined : OTHERS.user;
}

/** The header says Invalid, durably, if there is a store. */
export function markInvalid(file: DeviceFile): void {
  const bytes = new Uint8Array(HEADER_BYTES);
  if (file.sizeBytes < bytes.length) return;
  file.read(0, bytes);
  const header = decodeHeader(bytes);
  if (header.magic !== SNAP_MAGIC) return;
  if (header.valid !== 0) file.write(0, encodeHeader(false, header.chunkSectors));
  // Also what was read: it may be in a cache only (C-49).
  file.sync();
}
