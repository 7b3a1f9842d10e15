/**
 * Finds the register of an origin, by whatever name the origin is opened, and says how the two stand to each other.
 *
 *   beside  mark of the origin     register's origin is      standing
 *   yes     –                      this one                  home
 *   yes     –                      another one, which is
 *                                  still where it was        copied: what is outside of this folder is the original's
 *   yes     –                      another one, gone         moved (a restored backup, another disk), or replaced at its place
 *   no      own, register there    this one                  linked (hard link, bind mount), or renamed: the register comes along
 *   no      own, to another folder,
 *           no register there      ?                         refused: snapshots that are registered where we cannot look
 *   no      of another file, which is still where it was     none: a copy of the file alone has no snapshots
 *   no      of another file, gone  ?                         refused: moved without its register? (`moved`, `unregistered`)
 *   no      none, or to here       –                         none: a new register with the first snapshot
 *
 * `moved` says: what is here is what was registered. `unregistered` says: this origin has no snapshots, whatever a mark says.
 */
import { closeSync, constants, openSync, statSync } from "node:fs";
import { SnapringError } from "../base/errno.ts";
import { compareIdentities, identityAt } from "./identity.ts";
import { isOwn, type Mark, readMark, removeMark, writeMark } from "./mark.ts";
import { Register } from "./register.ts";
import { type OpenOrigin, type RegisterPlace, registerPlace } from "./register-place.ts";
import type { RegisteredOrigin } from "./register-text.ts";

export type Standing = "home" | "copied" | "moved";

/** What the user says about files that are not where, or what, they were. */
export interface Words {
  readonly moved: boolean;
  readonly unregistered: boolean;
}

export interface OriginRegister {
  readonly register: Register;
  readonly standing: Standing;
  readonly place: RegisterPlace;
}

/** Throws a SnapringError (EBUSY) where a register is known to be somewhere and cannot be used. `settle`: see Register.read. */
export async function findRegister(origin: OpenOrigin, words: Words, settle: boolean): Promise<OriginRegister> {
  const place = registerPlace(origin);
  const mark = markOf(place);
  if (mark?.role === "cow" && isOwn(mark, place.origin.identity)) await refuseCow(origin.path, mark, words);
  const beside = await Register.read(place.path, settle);
  const elsewhere = await registerElsewhere(place, mark, beside, words, settle);
  if (beside !== undefined && elsewhere !== undefined && isFull(beside) && isFull(elsewhere))
    throw twoRegisters(origin.path, beside, elsewhere);
  const used = elsewhere !== undefined && (beside === undefined || isFull(elsewhere)) ? elsewhere : beside;
  if (used === undefined) return { register: Register.fresh(place.path, place.origin), standing: "home", place };
  return { register: used, standing: standingOf(used, place), place };
}

/** The register knows this origin from its next change on; it moves along where the origin was renamed. */
export function settleIn({ register, standing, place }: OriginRegister): void {
  const known = register.origin;
  const isElsewhere = register.path !== place.path;
  // A second name of a file that is still called as it was: the register stays beside the first.
  const isLink = isElsewhere && known !== undefined && identityAt(known.path) === place.origin.identity;
  if (isLink) return;
  register.adopt(place.path, place.origin, standing === "copied");
}

/** The mark is there as long as the register holds a snapshot. */
export function markOrigin({ register, place }: OriginRegister): void {
  if (place.markable === undefined) return;
  const { identity } = place.origin;
  withFile(place.markable, (fd) => {
    const mark = readMark(fd);
    if (register.snapshots.size === 0) {
      if (mark?.role === "origin") removeMark(fd);
      return;
    }
    const wanted: Mark = { role: "origin", self: identity, register: register.path, id: register.id };
    if (mark?.role === "origin" && mark.register === wanted.register && mark.id === wanted.id && mark.self === identity)
      return;
    writeMark(fd, wanted);
  });
}

/** No word changes it: where the registered origin is still there, this one is a copy, whatever is said of it. */
function standingOf(register: Register, place: RegisterPlace): Standing {
  const known = register.origin;
  if (known === undefined) return "home";
  const isThere = known.path !== place.origin.path && identityAt(known.path) === known.identity;
  switch (compareIdentities(known.identity, place.origin.identity)) {
    case "same":
      return isClone(known, place.origin) ? "copied" : "home";
    case "unknown":
      return isThere ? "copied" : "home";
    default:
      return isThere ? "copied" : "moved";
  }
}

/** Copied with everything, inode numbers and birth times too, as a snapshot of a file system is. */
function isClone(known: RegisteredOrigin, now: RegisteredOrigin): boolean {
  if (known.path === now.path) return false;
  const there = inodeAt(known.path);
  return there !== undefined && identityAt(known.path) === known.identity && there !== inodeAt(now.path);
}

function inodeAt(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev} ${stat.ino}`;
}

/** What the origin's mark leads to; undefined where it leads to nothing that concerns this file, or to the register beside it. */
async function registerElsewhere(
  place: RegisterPlace,
  mark: Mark | undefined,
  beside: Register | undefined,
  words: Words,
  settle: boolean,
): Promise<Register | undefined> {
  if (mark?.role !== "origin" || words.unregistered || mark.id === beside?.id) return undefined;
  const register = await Register.read(mark.register, settle).catch(() => undefined);
  const found = register?.id === mark.id ? register : undefined;
  // A copy that has a register of its own, or a mark that has outlived its register.
  if (beside !== undefined) return isOwn(mark, place.origin.identity) ? found : undefined;
  if (isOwn(mark, place.origin.identity)) {
    // Beside the origin it is missing because somebody took it away: that gives the snapshots up.
    if (found === undefined && mark.register !== place.path) throw outOfReach(place, mark);
    return found;
  }
  if (mark.register === place.path) return undefined;
  const original = found?.origin;
  if (original !== undefined && identityAt(original.path) === original.identity) return undefined;
  if (words.moved && found !== undefined) return found;
  throw new SnapringError(
    "EBUSY",
    `origin ${place.origin.path} was moved or copied from elsewhere; its snapshots are registered in ${mark.register}`,
    {
      hint: `${found === undefined ? "which is not here: bring it along" : "say --moved if it is the same volume"}, or say --unregistered if it is a copy without snapshots`,
    },
  );
}

function outOfReach(place: RegisterPlace, mark: Mark): SnapringError {
  return new SnapringError(
    "EBUSY",
    `origin ${place.origin.path} has snapshots; they are registered in ${mark.register}, which cannot be seen from here`,
    {
      hint: "open it by the name by which it was registered, or make that folder visible (a container needs the folder, not the file alone); --unregistered gives the snapshots up",
    },
  );
}

/** A COW store that is registered is no origin: clients would write over what it keeps. */
async function refuseCow(path: string, mark: Mark, words: Words): Promise<void> {
  if (mark.register === "" || words.unregistered) return;
  const register = await Register.read(mark.register, false).catch(() => undefined);
  const entry = register?.id === mark.id ? register.snapshots.get(mark.name ?? "") : undefined;
  if (register !== undefined && (entry === undefined || entry.state === "invalid")) return;
  throw new SnapringError(
    "EBUSY",
    `${path} is the COW store of snapshot '${mark.name}', registered in ${mark.register}`,
    {
      hint: "name the origin itself; a store is no volume",
    },
  );
}

function twoRegisters(origin: string, beside: Register, elsewhere: Register): SnapringError {
  return new SnapringError(
    "EBUSY",
    `origin ${origin} has two registers of snapshots: ${beside.path} and ${elsewhere.path}`,
    {
      hint: "one of them is of another file that was here or there: take it away",
    },
  );
}

function isFull(register: Register): boolean {
  return [...register.snapshots.values()].some(({ state }) => state !== "invalid");
}

function markOf(place: RegisterPlace): Mark | undefined {
  return place.markable === undefined ? undefined : withFile(place.markable, readMark);
}

function withFile<T>(path: string, body: (fd: number) => T): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return body(fd);
  } finally {
    closeSync(fd);
  }
}
