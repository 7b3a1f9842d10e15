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
 * whoever calls this writes it, and then says what was done. It waits for devices and locks: in a volume, an opening thread does it (opening/tasks.ts).
 */
import { existsSync, fstatSync } from "node:fs";
import { SnapringError } from "../base/errno.ts";
import { DeviceFile, writeMode } from "../device/device-file.ts";
import { decodeHeader, encodeHeader, HEADER_BYTES, SNAP_MAGIC } from "../format/disk-header.ts";
import { compareIdentities, identityOf } from "./identity.ts";
import { ownMark, withMarked } from "./known-store.ts";
import { removeMark } from "./mark.ts";
import type { OriginRegister, Standing, Words } from "./origin-register.ts";
import { mayGiveUp } from "./register-owner.ts";
import type { RegisteredSnapshot } from "./register-text.ts";

/** A registered snapshot, and what is to be known of its register. Plain values. */
export interface GivenUp {
  readonly name: string;
  readonly entry: RegisteredSnapshot;
  readonly standing: Standing;
  /** Of the register, and whose word it is. */
  readonly id: string;
  readonly owner: number;
}

export interface AbandonOrder {
  readonly all: readonly GivenUp[];
  readonly words: Words;
  readonly unlocked: boolean;
}

/** Durable when it returns: a line for each, for the log. Throws a SnapringError: a COW device is in use, or fails. */
export function abandonAll({ all, words, unlocked }: AbandonOrder): readonly string[] {
  const opened: Abandonment[] = [];
  try {
    for (const one of all) opened.push(new Abandonment(one, words, unlocked));
    for (const one of opened) one.act();
    return opened.map(({ line }) => line);
  } finally {
    for (const one of opened) one[Symbol.dispose]();
  }
}

/** What a register says of one of its snapshots. */
export function givenUp(name: string, { register, standing }: OriginRegister): GivenUp {
  const entry = register.snapshots.get(name) as RegisteredSnapshot;
  return { name, entry, standing, id: register.id, owner: register.owner };
}

class Abandonment implements Disposable {
  /** For the log, once it is done. */
  readonly line: string;
  readonly #file: DeviceFile | undefined;

  constructor(one: GivenUp, words: Words, unlocked: boolean) {
    const { name, entry } = one;
    if (entry.state === "invalid") {
      this.line = `${name}: was Invalid; it is forgotten`;
      return;
    }
    const store = openStoreOf(one, words, unlocked);
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
function openStoreOf(one: GivenUp, { moved }: Words, unlocked: boolean): DeviceFile | string {
  const { entry, standing } = one;
  // What is outside of a folder that was copied, or may have been, is the original's.
  if (standing !== "home" && !moved && !entry.isBeside) return "is the original's, and is left as it is";
  if (!existsSync(entry.cow)) return "is not there: it must not be used again when it comes back";
  let file: DeviceFile;
  try {
    file = DeviceFile.open(entry.cow, writeMode(unlocked), "COW device");
  } catch (error) {
    if (!(error instanceof SnapringError) || ["EBUSY", "ENOLCK"].includes(error.code)) throw error;
    return `cannot be marked Invalid (${error.message}): it must not be used again`;
  }
  const likeness = compareIdentities(entry.identity, identityOf(file.fd, entry.cow));
  const isIts = standing === "home" ? likeness !== "different" : likeness !== "same" || standing === "cloned" || moved;
  const foreign = isIts ? foreignOf(file, one) : OTHERS[standing === "home" ? "file" : "origin"];
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
function foreignOf(file: DeviceFile, { id, owner }: GivenUp): string | undefined {
  const mark = ownMark(file);
  if (mark !== undefined && mark.register !== "" && mark.id !== id) return OTHERS.origin;
  return mayGiveUp(owner, fstatSync(file.fd).uid) ? undefined : OTHERS.user;
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
