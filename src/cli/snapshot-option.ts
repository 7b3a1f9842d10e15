/**
 * `--snapshot NAME=COW[,chunk=SIZE][,store=P|PO|N][,size=SIZE][,sparse]…` as options of the library.
 *
 * The part before the first `=` is the name, up to the next comma the COW path, then settings. A path that holds a comma
 * cannot be written this way; the error for its rest says so.
 */
import { MAX_EXPORT_NAME_BYTES } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import type { SnapshotOptions } from "../engine/volume.ts";
import { parseSize } from "./size.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Names that clients know the live volume by. */
const RESERVED = ["", "origin"];

/** Throws a SnapringError (EUSAGE) that quotes what is wrong. */
export function parseSnapshotOption(text: string): SnapshotOptions {
  const equals = text.indexOf("=");
  if (equals < 0) throw wrong(text, "there is no '=' between name and COW file");
  const name = text.slice(0, equals);
  if (RESERVED.includes(name)) throw wrong(text, `'${name}' is the name of the live volume`);
  if (Buffer.byteLength(name) > MAX_EXPORT_NAME_BYTES) throw wrong(text, "the name is too long");
  const [cow, ...settings] = text.slice(equals + 1).split(",");
  if (cow === "") throw wrong(text, "the COW file is missing");
  const options: Mutable<SnapshotOptions> = { name, cow };
  for (const setting of settings) apply(options, setting, text);
  return options;
}

/** Refuses two snapshots of one name. */
export function parseSnapshotOptions(texts: readonly string[]): SnapshotOptions[] {
  const options = texts.map(parseSnapshotOption);
  const names = new Set<string>();
  for (const [i, { name }] of options.entries()) {
    if (names.has(name)) throw wrong(texts[i], `there is another snapshot named '${name}'`);
    names.add(name);
  }
  return options;
}

function apply(options: Mutable<SnapshotOptions>, setting: string, whole: string): void {
  const equals = setting.indexOf("=");
  const key = equals < 0 ? setting : setting.slice(0, equals);
  const value = equals < 0 ? undefined : setting.slice(equals + 1);
  if (key === "discard_zeroes_cow" && value === undefined) {
    options.discardZeroesCow = true;
  } else if (key === "discard_passdown_origin" && value === undefined) {
    options.discardPassdownOrigin = true;
  } else if (key === "sparse" && value === undefined) {
    options.sparse = true;
  } else if (value === undefined || value === "") {
    throw wrong(whole, `'${setting}' is not a setting (a path with a comma cannot be written here)`);
  } else if (key === "chunk") {
    options.chunkSize = parseSize(value);
  } else if (key === "size") {
    options.size = parseSize(value);
  } else if (key === "store") {
    options.store = parseStore(value, whole);
  } else {
    throw wrong(whole, `there is no setting '${key}'`);
  }
}

/** S-10, S-11, S-13, S-14; what a table line takes without a word, `Nonsense` for one, is a typing error here. */
function parseStore(value: string, whole: string): "P" | "PO" | "N" {
  const upper = value.toUpperCase();
  if (upper === "P" || upper === "PO" || upper === "N") return upper;
  throw wrong(whole, `store '${value}' is not P, PO or N`);
}

function wrong(text: string, why: string): SnapringError {
  return new SnapringError("EUSAGE", `--snapshot '${text}': ${why}`, {
    hint: "write NAME=COW[,chunk=SIZE][,store=P|PO|N][,size=SIZE][,sparse]",
  });
}
