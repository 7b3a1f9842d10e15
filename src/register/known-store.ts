/**
 * What is known of a store before the table decides (tie.ts): its entry in the register, and what stands at the path that was given.
 *
 * The register is asked by the name and by the store itself (its path, its file). A good entry is believed before an Invalid one, the name's
 * before the store's: a store that was renamed is found, and one that two entries call Invalid does not come back under the other name. But what
 * stands at another's place and is the name's own file is the name's.
 */
import { closeSync, constants, existsSync, fstatSync, openSync } from "node:fs";
import { deviceFacts } from "../device/device-facts.ts";
import { lastingPath, realPath } from "../device/lasting-path.ts";
import type { DeviceFile } from "../device/device-file.ts";
import { backingFile } from "../device/loop-device.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { claimOf } from "./claim.ts";
import { compareIdentities, type Identity, identityAt, identityOf } from "./identity.ts";
import { isOwn, type Mark, readMark } from "./mark.ts";
import type { OriginRegister } from "./origin-register.ts";
import type { RegisteredSnapshot } from "./register-text.ts";
import type { DigestWord } from "./store-digest.ts";
import type { FoundStore, Known } from "./tie.ts";

export interface ReadStore {
  readonly state: FoundStore["state"];
  readonly chunkSectors: number;
  readonly exceptions: number;
  /** Where the header is blank: what else stands there; undefined: nothing. */
  readonly content?: string | undefined;
}

/** `identity`: of what stands at `cow`; looked up if it is not known. */
export function knownStore(
  { register, standing }: OriginRegister,
  name: string | undefined,
  cow: string,
  identity: Identity | undefined = identityAt(cow),
): Known | undefined {
  const entry = name === undefined ? undefined : register.snapshots.get(name);
  const named = name === undefined || entry === undefined ? undefined : { name, entry, standing };
  const placed = [...register.snapshots]
    .filter(([, one]) => isPlaced(one, cow, identity))
    .map(([other, one]) => ({ name: other, entry: one, standing }));
  const all = named === undefined ? placed : [named, ...placed];
  const good = all.find((one) => one.entry.state !== "invalid");
  if (named !== undefined && good !== undefined && isOfNamed(named.entry, good.entry, identity)) return named;
  return good ?? placed[0] ?? named;
}

/** The file is the name's own, Invalid as it is, and stands where another one, which is good, should: the two were exchanged. */
function isOfNamed(named: RegisteredSnapshot, good: RegisteredSnapshot, identity: Identity | undefined): boolean {
  if (identity === undefined || named === good) return false;
  return (
    compareIdentities(named.identity, identity) === "same" && compareIdentities(good.identity, identity) === "different"
  );
}

function isPlaced(entry: RegisteredSnapshot, cow: string, identity: Identity | undefined): boolean {
  const places = [realPath(cow), existsSync(cow) ? lastingPath(cow) : cow];
  return places.includes(realPath(entry.cow)) || (identity !== undefined && entry.identity === identity);
}

/** What stands at the path is the entry's store: the same file, or the same place where files cannot be told apart. */
function isStoreOf(entry: RegisteredSnapshot, cow: string, identity: Identity): boolean {
  const likeness = compareIdentities(entry.identity, identity);
  return likeness === "same" || (likeness === "unknown" && isPlaced(entry, cow, undefined));
}

/**
 * What stands at the path is the Invalid store of another snapshot, and not that of the one whose entry is good. Where its mark, or else its list
 * (`isIts`), says that it has become that one's since, it is. Where files cannot be told apart nothing is said: anything may stand at a path.
 */
function isInvalidStoreOf(
  entry: RegisteredSnapshot,
  known: Known | undefined,
  identity: Identity,
  mark: Mark | undefined,
  isIts: boolean,
): boolean {
  if (entry.state !== "invalid" || compareIdentities(entry.identity, identity) !== "same") return false;
  if (known === undefined || known.entry.state === "invalid") return false;
  if (compareIdentities(known.entry.identity, identity) === "same") return false;
  if (mark?.store !== undefined && known.entry.store !== "") return mark.store !== known.entry.store;
  return !isIts || (known.entry.seen?.exceptions ?? 0) === 0;
}

export function identityOfStore(file: DeviceFile): Identity {
  return identityOf(file.fd, lastingPath(file.path));
}

/** Whatever carries the mark of a COW device: the file itself, or that of a whole loop device. Undefined: nothing can. */
export function withMarked<T>(file: DeviceFile, body: (fd: number) => T): T | undefined {
  if (!file.isBlockDevice) return body(file.fd);
  const backing = backingFile(deviceFacts(file.fd).number);
  if (backing?.isWhole !== true || !existsSync(backing.path)) return undefined;
  const fd = openSync(backing.path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return body(fd);
  } finally {
    closeSync(fd);
  }
}

/** The mark that was made on this very file. */
export function ownMark(file: DeviceFile, mark: Mark | undefined = withMarked(file, readMark)): Mark | undefined {
  return mark?.role === "cow" && isOwn(mark, identityOfStore(file)) ? mark : undefined;
}

/** `file` is open, `read` and `digest` are what was read of it. */
export async function findStore(
  file: DeviceFile,
  read: ReadStore,
  digest: DigestWord,
  found: OriginRegister,
  known: Known | undefined,
): Promise<FoundStore> {
  const anyMark = withMarked(file, readMark);
  const mark = ownMark(file, anyMark);
  const identity = identityOfStore(file);
  const chunkBytes = read.chunkSectors * SECTOR_BYTES;
  const others = [...found.register.snapshots].filter(([name]) => name !== known?.name);
  const another = others.find(([, one]) => one.state !== "invalid" && isStoreOf(one, file.path, identity));
  const isIts = read.state === "active" && digest.matches;
  const invalid = others.find(([, one]) => isInvalidStoreOf(one, known, identity, mark, isIts));
  return {
    path: file.path,
    identity,
    mark,
    copiedStore: anyMark?.store,
    state: read.state,
    content: read.content,
    chunkBytes,
    exceptions: read.exceptions,
    beginsAsSeen: digest.matches,
    agreesWithSeen: digest.agrees,
    registeredIsThere: known !== undefined && existsSync(known.entry.cow) && identityAt(known.entry.cow) !== identity,
    isAtItsPlace: known !== undefined && realPath(known.entry.cow) === realPath(lastingPath(file.path)),
    anotherSnapshot: another?.[0],
    anotherInvalid: invalid?.[0],
    claim: await claimOf(mark, found.register, fstatSync(file.fd).uid),
  };
}
