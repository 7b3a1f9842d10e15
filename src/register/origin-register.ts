/**
 * Finds the register of an origin, by whatever name the origin is opened, and says how the two stand to each other.
 *
 *   beside  mark of the origin     register's origin is      standing
 *   yes     –                      this one                  home
 *   yes     –                      another one, which is
 *                                  still where it was        copied: what is outside of this folder is the original's
 *   yes     –                      another one, gone         moved (a restored backup, another disk), or replaced at its place
 *   no      own, register there    this one                  linked (hard link, bind mount), or renamed: the register comes along
 *   no      own, register there    another one               refused, as where no register is there: a mark alone leads to nobody's
 *   no      own, to another folder,
 *           no register there      ?                         refused: snapshots that are registered where we cannot look
 *   no      of another file, which is still where it was     none: a copy of the file alone has no snapshots
 *   no      of another file, gone  ?                         refused: moved without its register? (`moved`, `unregistered`)
 *   no      none, or to here       –                         none: a new register with the first snapshot
 *
 * `moved` says: what is here is what was registered. `unregistered` says: this origin has no snapshots, whatever a mark says.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { advice, say } from "../base/advice.ts";
import { SnapringError } from "../base/errno.ts";
import { exactSize } from "../base/size-text.ts";
import { claimOf } from "./claim.ts";
import { compareIdentities, identityAt } from "./identity.ts";
import { ensureMark, isOwn, type Mark, readMark, removeMark } from "./mark.ts";
import { Register, type RegisterCopy, type RegisterHome, type RegisterWriter } from "./register.ts";
import { type OpenOrigin, type RegisterPlace, registerPlace } from "./register-place.ts";
import type { RegisteredOrigin } from "./register-text.ts";

/** copied, cloned: the registered origin is still there, and is another file; a clone has its numbers, too. */
export type Standing = "home" | "copied" | "cloned" | "moved";

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

/** The same as plain values, for another thread. */
export interface FoundRegister extends Pick<OriginRegister, "standing" | "place"> {
  readonly register: RegisterCopy;
}

export function packed({ register, standing, place }: OriginRegister): FoundRegister {
  return { register: register.copy, standing, place };
}

export function unpacked({ register, standing, place }: FoundRegister, writer?: RegisterWriter): OriginRegister {
  return { register: Register.of(register, writer), standing, place };
}

/** Throws a SnapringError (EBUSY) where a register is known to be somewhere and cannot be used. `settle`: see Register.read. */
export async function findRegister(origin: OpenOrigin, words: Words, settle: boolean): Promise<OriginRegister> {
  const place = registerPlace(origin);
  const mark = markOf(place);
  if (mark?.role === "cow" && isOwn(mark, place.origin.identity)) await refuseCow(origin, mark);
  await refuseParts(origin.path, place);
  const beside = await Register.read(place.path, settle, place.owner);
  const elsewhere = await registerElsewhere(place, mark, beside, words, settle);
  if (beside !== undefined && elsewhere !== undefined && isFull(beside) && isFull(elsewhere))
    throw twoRegisters(origin.path, beside, elsewhere);
  const used = elsewhere !== undefined && (beside === undefined || isFull(elsewhere)) ? elsewhere : beside;
  if (used === undefined) return { register: Register.fresh(place.path, place.origin), standing: "home", place };
  refuseShrunk(origin.path, { register: used, place }, words);
  return { register: used, standing: standingOf(used, place), place };
}

/** Where the register is to stand from its next change on; it moves along where the origin was renamed. Undefined: it stays as it is. */
export function newHome({ register, standing, place }: OriginRegister): RegisterHome | undefined {
  const known = register.origin;
  const isElsewhere = register.path !== place.path;
  // A second name of a file that is still called as it was: the register stays beside the first.
  if (isElsewhere && known !== undefined && identityAt(known.path) === place.origin.identity) return undefined;
  const isCopy = standing === "copied" || standing === "cloned";
  const isSame = known?.path === place.origin.path && known.identity === place.origin.identity;
  if (isSame && known.bytes === place.origin.bytes && !isElsewhere) return undefined;
  return { path: place.path, origin: place.origin, isCopy };
}

/** The mark is there as long as the register holds a snapshot. */
export function markOrigin({ register, place }: OriginRegister): void {
  const { identity } = place.origin;
  withMarkable(place, (fd) => {
    if (register.snapshots.size > 0)
      ensureMark(fd, { role: "origin", self: identity, register: register.path, id: register.id });
    else if (readMark(fd)?.role === "origin") removeMark(fd);
  });
}

/** No word changes it: where the registered origin is still there, this one is a copy, whatever is said of it. */
function standingOf(register: Register, place: RegisterPlace): Standing {
  const known = register.origin;
  if (known === undefined) return isOfCopiedFolder(register) ? "copied" : "home";
  const isThere = known.path !== place.origin.path && identityAt(known.path) === known.identity;
  switch (compareIdentities(known.identity, place.origin.identity)) {
    case "same":
      return isClone(known, place.origin) ? "cloned" : "home";
    case "unknown":
      return isThere ? "copied" : "home";
    default:
      return isThere ? "copied" : "moved";
  }
}

/** Version 1 knows no origin: but its absolute paths lead elsewhere although files of these names are here. */
function isOfCopiedFolder(register: Register): boolean {
  const folder = dirname(register.path);
  return [...register.snapshots.values()].some(
    ({ cow, isBeside }) => !isBeside && existsSync(join(folder, basename(cow))),
  );
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
  if (mark?.role !== "origin" || mark.id === beside?.id) return undefined;
  const register = await Register.read(mark.register, settle, place.owner).catch(() => undefined);
  const isIts = register?.id === mark.id && (!isOwn(mark, place.origin.identity) || isAbout(register, place));
  const found = isIts ? register : undefined;
  // A copy that has a register of its own, or a mark that has outlived its register.
  if (beside !== undefined) return isOwn(mark, place.origin.identity) ? found : undefined;
  if (isOwn(mark, place.origin.identity)) {
    // Beside the origin it is missing because somebody took it away: that gives the snapshots up.
    if (found === undefined && mark.register !== place.path && !words.unregistered) throw outOfReach(place, mark);
    if (found !== undefined && words.unregistered && isFull(found)) throw inReach(place, found);
    return found;
  }
  if (mark.register === place.path || words.unregistered) return undefined;
  const original = found?.origin;
  if (original !== undefined && identityAt(original.path) === original.identity) return undefined;
  if (words.moved && found !== undefined) return found;
  throw new SnapringError(
    "EBUSY",
    `origin ${place.origin.path} was moved or copied from elsewhere; its snapshots are registered in ${mark.register}`,
    {
      hint: advice`${found === undefined ? "which is not here: bring it along" : advice`say ${say.moved} if it is the same volume`}, or say ${say.unregistered} if it is a copy without snapshots`,
    },
  );
}

/** A mark can be made by whoever owns the file that it is on; it makes nobody else's register this one's. */
function isAbout({ origin }: Register, place: RegisterPlace): boolean {
  return origin === undefined || compareIdentities(origin.identity, place.origin.identity) !== "different";
}

/** What is registered is given up by its name, so that its stores are told. */
function inReach(place: RegisterPlace, { path, snapshots }: Register): SnapringError {
  return new SnapringError(
    "EBUSY",
    `origin ${place.origin.path} has snapshots, registered in ${path}: ${[...snapshots.keys()].join(", ")}`,
    {
      hint: advice`leave ${say.unregistered} out, and give them up with ${say.abandon("NAME")}`,
    },
  );
}

function outOfReach(place: RegisterPlace, mark: Mark): SnapringError {
  return new SnapringError(
    "EBUSY",
    `origin ${place.origin.path} has snapshots; they are registered in ${mark.register}, which cannot be seen from here`,
    {
      hint: advice`open it by the name by which it was registered, or make that folder visible (a container needs the folder, not the file alone); ${say.unregistered} gives the snapshots up`,
    },
  );
}

/** A COW store that is registered is no origin: clients would write over what it keeps. */
async function refuseCow({ fd, path }: OpenOrigin, mark: Mark): Promise<void> {
  if ((await claimOf(mark, undefined, fstatSync(fd).uid)) !== "stands") return;
  throw new SnapringError(
    "EBUSY",
    `${path} is the COW store of snapshot '${mark.name}', registered in ${mark.register}`,
    {
      hint: "name the origin itself; a store is no volume",
    },
  );
}

/** A part of a file (by a loop device) and the whole are one: whoever writes the one writes the other. */
async function refuseParts(path: string, place: RegisterPlace): Promise<void> {
  for (const other of place.overlapping) {
    const register = await Register.read(other, false, place.owner);
    if (register === undefined || !isFull(register)) continue;
    throw new SnapringError("EBUSY", `origin ${path} is a part of what has snapshots, or has such parts: ${other}`, {
      hint: "serve that, with its snapshots",
    });
  }
}

/** It was truncated, or another one took its place. */
function refuseShrunk(
  path: string,
  { register, place }: Pick<OriginRegister, "register" | "place">,
  words: Words,
): void {
  const had = register.origin?.bytes ?? 0;
  if (place.origin.bytes >= had || !isFull(register) || words.moved) return;
  throw new SnapringError(
    "EBUSY",
    `origin ${path} has ${exactSize(place.origin.bytes)}, and had ${exactSize(had)}: its snapshots would lose their end`,
    {
      hint: advice`bring the right one back, or say ${say.moved} if it is right so`,
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
  return withMarkable(place, readMark);
}

/** Undefined: nothing can carry a mark. */
function withMarkable<T>(place: RegisterPlace, body: (fd: number) => T): T | undefined {
  if (place.markable === undefined) return undefined;
  if (place.fd >= 0) return body(place.fd);
  const fd = openSync(place.markable, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return body(fd);
  } finally {
    closeSync(fd);
  }
}
