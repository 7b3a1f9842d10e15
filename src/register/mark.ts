/**
 * A mark on the inode of an origin or a COW file: an extended attribute that leads to the register, whatever the file is called.
 *
 *   user.snapring = { "version": 1, "role": "origin" | "cow", "self": identity of the file that was marked,
 *                     "register": path, "id": of the register,  "name": of the snapshot, "store": id of the store }
 *
 * A hard link, a bind mount and a rename keep it; so does `cp -a`, which is why the marked file's identity is in it: a mark whose `self`
 * is another file came along with a copy. Where there are no such attributes (block devices, some file systems, no addon), there is no mark
 * and none is missed: then paths and identities in the register are all there is. It goes with what it marks, durably after the file's
 * next flush.
 */
import { randomUUID } from "node:crypto";
import { fsyncSync } from "node:fs";
import { loadNative } from "../device/native.ts";
import type { Identity } from "./identity.ts";

export interface Mark {
  readonly role: "origin" | "cow";
  readonly self: Identity;
  /** Path and id of the register; "" for a store that no register has yet. */
  readonly register: string;
  readonly id: string;
  /** Of a COW file. */
  readonly name?: string | undefined;
  readonly store?: string | undefined;
}

const ATTRIBUTE = "user.snapring";
const VERSION = 1;
/** What the addon takes; a file system may have less. */
const ATTRIBUTE_BYTES_MAX = 4096;

export function newId(): string {
  return randomUUID();
}

/** Undefined: there is none, or none that can be understood. */
export function readMark(fd: number): Mark | undefined {
  const text = loadNative().native?.readAttribute(fd, ATTRIBUTE);
  if (typeof text !== "string") return undefined;
  try {
    const value = JSON.parse(text) as Mark & { version?: unknown };
    const isMark = [value.self, value.register, value.id].every((field) => typeof field === "string");
    if (!isMark || value.version !== VERSION) return undefined;
    return value.role === "origin" || value.role === "cow" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The mark was made on this very file, not on one that it was copied from. */
export function isOwn(mark: Mark, identity: Identity): boolean {
  return mark.self === identity;
}

/** Durable when it returns true. False: there is no place for it here, and nothing is lost by that. */
export function writeMark(fd: number, mark: Mark): boolean {
  return replace(fd, JSON.stringify({ version: VERSION, ...mark }));
}

export function removeMark(fd: number): void {
  if (readMark(fd) !== undefined) replace(fd, "");
}

/** Nothing is written where it is there already. */
export function ensureMark(fd: number, wanted: Mark): void {
  const now = readMark(fd);
  const isThere = (Object.keys(wanted) as (keyof Mark)[]).every((key) => now?.[key] === wanted[key]);
  if (!isThere) writeMark(fd, wanted);
}

function replace(fd: number, text: string): boolean {
  const { native } = loadNative();
  // The names of snapshots may be as long by themselves.
  if (Buffer.byteLength(text) > ATTRIBUTE_BYTES_MAX) return false;
  if (native === undefined || native.writeAttribute(fd, ATTRIBUTE, text) !== 0) return false;
  try {
    fsyncSync(fd);
    return true;
  } catch {
    // A device that fails has no marks, either.
    return false;
  }
}
