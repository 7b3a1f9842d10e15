/**
 * A registered snapshot is given up: its store is marked Invalid, so that nobody takes it for good once the origin is written without it.
 *
 *   register says          what is there                             what happens to it
 *   active, merging        the registered store                      its header says Invalid, durably; its mark goes
 *                          nothing                                   said in words: it must not be used when it comes back
 *                          another file, a store of the original     left alone, said in words
 *   invalid                anything                                  left alone
 *
 * The entry goes out of the register in any case; whoever calls this writes it.
 */
import { existsSync } from "node:fs";
import { DeviceFile, writeMode } from "../device/device-file.ts";
import { decodeHeader, encodeHeader, HEADER_BYTES, SNAP_MAGIC } from "../format/disk-header.ts";
import { compareIdentities, identityOf } from "./identity.ts";
import { removeMark } from "./mark.ts";
import type { OriginRegister, Words } from "./origin-register.ts";

export interface AbandonOptions {
  readonly unlocked: boolean;
  readonly log: (line: string) => void;
}

/** Throws a SnapringError: the COW device is in use, or cannot be written. `name` is registered. */
export function abandonStore(
  name: string,
  { register, standing }: OriginRegister,
  { moved }: Words,
  { unlocked, log }: AbandonOptions,
): void {
  const entry = register.snapshots.get(name);
  if (entry === undefined || entry.state === "invalid") return log(`${name}: was Invalid; it is forgotten`);
  const half = entry.state === "merging" ? "; the origin stays half merged with it" : "";
  const left = (why: string): void =>
    log(`${name}: given up; the origin may be written without it${half}. ${entry.cow} ${why}`);
  // What is outside of a folder that was copied, or may have been, is the original's.
  if (standing !== "home" && !moved && !entry.isBeside) return left("is the original's, and is left as it is");
  if (!existsSync(entry.cow)) return left("is not there: it must not be used again when it comes back");
  using file = new DeviceFile(entry.cow, writeMode(unlocked), `cow of ${name}`);
  const likeness = compareIdentities(entry.identity, identityOf(file.fd, entry.cow));
  const isIts = standing === "copied" ? likeness !== "same" : standing === "moved" || likeness !== "different";
  if (!isIts) return left("is another file than the one that was registered, and is left as it is");
  markInvalid(file);
  removeMark(file.fd);
  log(`${name}: given up; the origin may be written without it${half}`);
}

/** The header says Invalid, durably, if there is a store. */
export function markInvalid(file: DeviceFile): void {
  const bytes = new Uint8Array(HEADER_BYTES);
  if (file.sizeBytes < bytes.length) return;
  file.read(0, bytes);
  const header = decodeHeader(bytes);
  if (header.magic !== SNAP_MAGIC || header.valid === 0) return;
  file.write(0, encodeHeader(false, header.chunkSectors));
  file.sync();
}
