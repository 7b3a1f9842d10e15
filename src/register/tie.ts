/**
 * What happens when a store is opened or made: what is asked, what the register says, what is there. The one place that decides.
 *
 *                  asked to open it                                                       asked to make it
 *   register says  the registered store   moved         copied    another  blank    nothing   store   blank  nothing
 *   nothing        –                      –             –         open ⁴   make     made ¹    EEXIST  make   made ¹
 *   active         open                   open ²        refused ³ refused  refused  refused   EEXIST  –      –
 *   merging        goes on merging        the same ²    refused ³ refused  refused  refused   EEXIST  –      –
 *   invalid        Invalid                Invalid       open ⁴    open ⁴   make     made ¹    EEXIST  make   made ¹
 *   of another     refused                refused       open      –        refused  –         refused
 *
 *   ¹ where a size is given    ² by itself where everything fits, else with `moved`    ³ with `moved`, if it fits
 *   ⁴ with `unregistered` where its mark says that a register had it which does not know it any more (claim.ts)
 *
 * To fit: the same id where both have one, the same chunk size, and at least the exceptions that were last seen, in their order
 * (store-digest.ts); while it merges, a beginning of them. Nothing waives that: a store that is older than the register misses what the
 * origin has overwritten since. Everything fits by itself where the volume was closed in good order and the list is exactly the one that
 * it was closed with: then it is the same state; an empty list proves nothing without the id.
 *
 * In a folder that was copied (origin-register.ts) the store beside the origin is the copy's own, and what is outside of the folder, or is
 * the registered file itself, is the original's; in a clone of a whole file system what is beside it is its own although the numbers of the
 * files are the same. The store of one snapshot is never taken for another's, also that of an Invalid one, nor, whatever is said, one whose mark leads to another register
 * that has it: a copy that has been served once has a register of its own, and the original is still the original's.
 */
import { advice, say } from "../base/advice.ts";
import { SnapringError } from "../base/errno.ts";
import { formatSize } from "../base/size-text.ts";
import type { Claim } from "./claim.ts";
import { compareIdentities, type Identity } from "./identity.ts";
import type { Mark } from "./mark.ts";
import type { Standing, Words } from "./origin-register.ts";
import type { RegisteredSnapshot } from "./register-text.ts";

export type { Words } from "./origin-register.ts";

/** What the register says of the snapshot, by its name or its COW device. */
export interface Known {
  readonly name: string;
  readonly entry: RegisteredSnapshot;
  readonly standing: Standing;
}

/** What stands at the path that was given: open, and read. */
export interface FoundStore {
  readonly path: string;
  readonly identity: Identity;
  /** Its own mark, not one that came along with a copy. */
  readonly mark: Mark | undefined;
  /** The store's id in its mark, also in one that came along. */
  readonly copiedStore: string | undefined;
  /** new: its header is blank. */
  readonly state: "new" | "active" | "invalid";
  /** What else stands there although the header is blank; undefined: nothing. */
  readonly content: string | undefined;
  readonly chunkBytes: number;
  readonly exceptions: number;
  /** Its list begins with what was last seen of the registered store. */
  readonly beginsAsSeen: boolean;
  /** As far as both go, its list is the one that was last seen. */
  readonly agreesWithSeen: boolean;
  /** Something else stands where the store was registered. */
  readonly registeredIsThere: boolean;
  /** The path that was given is the registered one. */
  readonly isAtItsPlace: boolean;
  /** It is the store of this other snapshot of the same origin. */
  readonly anotherSnapshot: string | undefined;
  /** Or of this one, which is Invalid, while the one that is asked for is not. */
  readonly anotherInvalid: string | undefined;
  readonly claim: Claim;
}

export type OpenAs = "new" | "active" | "merging" | "invalid";

/** Throws a SnapringError; else how the store is opened. */
export function tieStore(name: string, known: Known | undefined, found: FoundStore, words: Words): OpenAs {
  if (found.anotherSnapshot !== undefined) throw exchanged(name, found, found.anotherSnapshot, "");
  if (found.anotherInvalid !== undefined) throw exchanged(name, found, found.anotherInvalid, ", which is Invalid");
  if (known === undefined || known.entry.state === "invalid") return openUnknown(name, known, found, words);
  const { entry, standing } = known;
  if (found.state === "new") throw notTheStore(name, found, known, "has no store in it");
  if (standing === "copied" || standing === "cloned") refuseOriginals(known, name, found);
  else if (found.claim === "stands") throw ofAnother(name, found, whoseMark(found));
  else if (!words.moved) refuseStranger(name, known, found);
  // Dropped by somebody else: its list is void.
  if (found.state === "invalid") return "invalid";
  refuseMisfit(name, known, found);
  return entry.state;
}

/** No register knows it as a good one. */
function openUnknown(name: string, known: Known | undefined, found: FoundStore, words: Words): OpenAs {
  if (found.claim === "stands") throw ofAnother(name, found, whoseMark(found));
  const isSame = known !== undefined && found.state !== "new" && isSameInvalid(known.entry, found);
  if (isSame) return "invalid";
  if (found.claim === "forgotten" && found.state === "active" && !words.unregistered) throw forgotten(name, found);
  if (found.state !== "new") return found.state;
  if (found.content === undefined) return "new";
  throw new SnapringError("EEXIST", `COW device ${found.path} ${found.content}: it is not made into a store`, {
    hint: advice`name a blank file or device; ${say.force} a store over what is there`,
  });
}

function whoseMark({ mark }: FoundStore): string {
  return `snapshot '${mark?.name}', registered in ${mark?.register}`;
}

function ofAnother(name: string, found: FoundStore, whose: string): SnapringError {
  return new SnapringError(
    "EBUSY",
    `COW device ${found.path}, given for snapshot '${name}', is the store of ${whose}`,
    {
      hint: "name another file, or give that snapshot up there",
    },
  );
}

/** Not the one that was asked for, whatever is said: as this one's it would be the end of it. */
function exchanged(name: string, { path }: FoundStore, other: string, whichIs: string): SnapringError {
  return new SnapringError(
    "EBUSY",
    `COW device ${path}, given for snapshot '${name}', is the store of snapshot '${other}' of the same origin${whichIs}`,
    {
      hint: advice`were the two exchanged? Give each snapshot its own store (this one with ${say.snapshot(other, path)}), or put the files back`,
    },
  );
}

function forgotten(name: string, { path, mark }: FoundStore): SnapringError {
  const where = `snapshot '${mark?.name}' in the register ${mark?.register}, which does not know it any more, or is not there`;
  return new SnapringError(
    "EBUSY",
    `COW device ${path}, given for snapshot '${name}', was ${where}: the origin may have been written without it`,
    {
      hint: advice`where you know that it was not, say ${say.unregistered}; snapring create --force makes a new store of it`,
    },
  );
}

/** What the register calls Invalid is so, unless it is another store by now (S-70). */
function isSameInvalid(entry: RegisteredSnapshot, found: FoundStore): boolean {
  if (entry.store !== "" && found.mark?.store !== undefined) return entry.store === found.mark.store;
  if (compareIdentities(entry.identity, found.identity) === "different") return false;
  return found.exceptions > 0 || (entry.seen?.exceptions ?? 0) === 0;
}

/** Is it the file that was registered, or has it come along with its origin? Else the user must say that it is. */
function refuseStranger(name: string, known: Known, found: FoundStore): void {
  const { entry, standing } = known;
  const likeness = compareIdentities(entry.identity, found.identity);
  if (standing === "home") {
    // Where files cannot be told apart, their places must.
    if (likeness === "same" || (likeness === "unknown" && found.isAtItsPlace)) return;
    if (found.registeredIsThere && !found.isAtItsPlace)
      throw notTheStore(name, found, known, "is a copy: something is still where it was registered", true);
    if (isExactly(entry, found)) return;
    throw notTheStore(name, found, known, "is another file than the one that was registered", true);
  }
  const isOurs = likeness !== "same";
  if (isOurs && found.isAtItsPlace && entry.isBeside) return;
  if (isOurs && !found.isAtItsPlace && isExactly(entry, found)) return;
  throw notTheStore(name, found, known, "belongs to an origin that is not this file: was it moved, or replaced?", true);
}

/** In a copy: what it was copied from is never touched, whatever is said. */
function refuseOriginals(known: Known, name: string, found: FoundStore): void {
  const { entry, standing } = known;
  const isOurs = compareIdentities(entry.identity, found.identity) !== "same";
  if (standing === "cloned" && found.isAtItsPlace && entry.isBeside) return;
  if (isOurs && (!found.isAtItsPlace || entry.isBeside)) return;
  throw notTheStore(name, found, known, "is the store of the origin that this one was copied from");
}

/** Another file that holds the very list with which the registered one was closed: a move, or a backup of that moment. */
function isExactly({ seen, isFinal, store }: RegisteredSnapshot, found: FoundStore): boolean {
  if (found.state !== "active" || seen === undefined || !isFinal) return false;
  const isIts = store !== "" && found.copiedStore === store;
  return (seen.exceptions > 0 || isIts) && found.exceptions === seen.exceptions && found.beginsAsSeen;
}

function refuseMisfit(name: string, { entry }: Known, found: FoundStore): void {
  const where = `COW device ${found.path} of snapshot '${name}'`;
  const refuse = (what: string): SnapringError =>
    new SnapringError("EINVAL", `${where} ${what}`, {
      hint: advice`bring the right one back; ${say.abandon(name)} gives the snapshot up`,
    });
  if (entry.store !== "" && found.mark?.store !== undefined && found.mark.store !== entry.store)
    throw refuse("was made anew since, or is another snapshot's store");
  if (entry.chunkBytes !== 0 && entry.chunkBytes !== found.chunkBytes)
    throw refuse(`has chunks of ${formatSize(found.chunkBytes)}, not ${formatSize(entry.chunkBytes)}: another store`);
  const { seen } = entry;
  if (seen === undefined) return;
  if (!found.agreesWithSeen) throw refuse("has other exceptions than when it was last seen: another store");
  if (entry.state === "merging") return;
  if (found.exceptions < seen.exceptions)
    throw refuse(
      `has ${found.exceptions} exceptions where it had ${seen.exceptions} when it was last seen: an older state, or another store`,
    );
  if (!found.beginsAsSeen) throw refuse("has other exceptions than when it was last seen: another store");
}

function notTheStore(name: string, found: FoundStore, known: Known, what: string, canMove = false): SnapringError {
  const { cow } = known.entry;
  const registered = found.isAtItsPlace ? "" : ` (registered: ${cow})`;
  const way = canMove ? advice`say ${say.moved} if it is the right one, or ` : "bring the right one back, or ";
  return new SnapringError("EBUSY", `snapshot '${known.name}' is registered, and ${found.path} ${what}${registered}`, {
    hint: advice`${way}give the snapshot up with ${say.abandon(known.name)}; nothing was changed for ${name}`,
  });
}

/** Before anything is opened: what is not there is made only where no register knows it. `size`: it may be made. */
export function tieMissing(
  name: string,
  cow: string,
  known: Known | undefined,
  size: boolean,
  readOnly: boolean,
): void {
  if (known !== undefined && known.entry.state !== "invalid") {
    const where = known.entry.cow === cow ? cow : `${cow} (registered: ${known.entry.cow})`;
    throw new SnapringError(
      "ENOENT",
      `COW device ${where} is missing, and snapshot '${known.name}' is ${known.entry.state}`,
      {
        hint: advice`is its disk mounted? Bring it back, or give the snapshot up with ${say.abandon(known.name)}`,
      },
    );
  }
  if (size && !readOnly) return;
  throw new SnapringError("ENOENT", `COW device ${cow} of snapshot '${name}' does not exist`, {
    hint: readOnly ? "a read-only volume makes no files" : advice`give it a size to have it made: ${say.size}`,
  });
}
