/**
 * What is known of a store before the table decides (tie.ts): its entry in the register, and what stands at the path that was given.
 */
import { existsSync } from "node:fs";
import { lastingPath, realPath } from "../device/lasting-path.ts";
import type { DeviceFile } from "../device/device-file.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { contentOf } from "./blank.ts";
import { type Identity, identityAt, identityOf } from "./identity.ts";
import { isOwn, type Mark, readMark } from "./mark.ts";
import type { OriginRegister } from "./origin-register.ts";
import { otherRegister } from "./others.ts";
import type { StoreDigest } from "./store-digest.ts";
import type { FoundStore, Known } from "./tie.ts";

export interface ReadStore {
  readonly state: FoundStore["state"];
  readonly chunkSectors: number;
  readonly exceptions: number;
}

/** By its name, or else by its COW device, which may have been registered under another. */
export function knownStore(
  { register, standing }: OriginRegister,
  name: string | undefined,
  cow: string,
  identity?: Identity,
): Known | undefined {
  const named = name === undefined ? undefined : register.snapshots.get(name);
  if (name !== undefined && named !== undefined) return { name, entry: named, standing };
  const places = [realPath(cow), existsSync(cow) ? lastingPath(cow) : cow];
  for (const [other, entry] of register.snapshots) {
    if (places.includes(realPath(entry.cow)) || (identity !== undefined && entry.identity === identity))
      return { name: other, entry, standing };
  }
  return undefined;
}

export function identityOfStore(file: DeviceFile): Identity {
  return identityOf(file.fd, lastingPath(file.path));
}

/** The mark that was made on this very file. */
export function ownMark(file: DeviceFile): Mark | undefined {
  const mark = readMark(file.fd);
  return mark?.role === "cow" && isOwn(mark, identityOfStore(file)) ? mark : undefined;
}

/** `file` is open, `read` and `digest` are what was read of it. */
export async function findStore(
  file: DeviceFile,
  read: ReadStore,
  digest: StoreDigest,
  { register }: OriginRegister,
  known: Known | undefined,
): Promise<FoundStore> {
  const mark = ownMark(file);
  const isGood = known !== undefined && known.entry.state !== "invalid";
  return {
    path: file.path,
    identity: identityOfStore(file),
    mark,
    state: read.state,
    content: read.state === "new" ? contentOf(file) : undefined,
    chunkBytes: read.chunkSectors * SECTOR_BYTES,
    exceptions: read.exceptions,
    beginsAsSeen: digest.matches,
    registeredIsThere: known !== undefined && identityAt(known.entry.cow) === known.entry.identity,
    isAtItsPlace: known !== undefined && realPath(known.entry.cow) === realPath(lastingPath(file.path)),
    othersRegister: isGood ? undefined : await otherRegister(mark, register),
  };
}
