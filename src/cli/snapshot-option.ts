/**
 * `--snapshot NAME=COW[,chunk=SIZE][,store=P|PO|N][,size=SIZE][,sparse|written][,read_only][,grow=SIZE][,when_full=…]…` as options of the library.
 *
 * The part before the first `=` is the name, up to the next comma the COW path, then settings. A backslash before `=`, `,` or `\` makes
 * it a part of the name or path; before anything else it is a backslash, as in the names that udev makes. What may stand there is
 * the library's to say (option-schema.ts).
 */
import { SnapringError } from "../base/errno.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { STORE_KINDS, type StoreKind } from "../format/table-line.ts";
import { isOptionError } from "../engine/option-error.ts";
import { checkSnapshotOptions, nameFault } from "../engine/option-schema.ts";
import type { SnapshotOptions } from "../engine/volume.ts";
import { parseChunkSectors, parseSectors } from "./size.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Throws a SnapringError (EUSAGE) that quotes what is wrong. */
export function parseSnapshotOption(text: string): SnapshotOptions {
  const [first, ...settings] = split(text, ",");
  const [before, ...behind] = split(first, "=");
  if (behind.length === 0) throw wrong(text, "there is no '=' between name and COW file");
  const name = plain(before);
  const fault = nameFault(name);
  if (fault !== undefined) throw wrong(text, `the name ${fault}`);
  const cow = plain(behind.join("="));
  if (cow === "") throw wrong(text, "the COW file is missing");
  const options: Mutable<SnapshotOptions> = { name, cow };
  for (const setting of settings) apply(options, setting, text);
  if (options.store === "N" && options.chunkSize === undefined)
    throw wrong(text, "a store in memory (store=N) needs chunk=SIZE");
  if (Number.isNaN(options.grow?.by)) throw wrong(text, "grow_at= and grow_max= need grow=SIZE");
  refuse(options, text);
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
  } else if (key === "written" && value === undefined) {
    options.written = true;
  } else if (key === "read_only" && value === undefined) {
    options.readOnly = true;
  } else if (value === undefined || value === "") {
    throw wrong(whole, `'${setting}' is not a setting (a comma in a path is written \\,)`);
  } else if (key === "chunk") {
    options.chunkSize = inSetting(setting, whole, () => parseChunkSectors(value) * SECTOR_BYTES);
  } else if (key === "size") {
    options.size = inSetting(setting, whole, () => parseSectors(value) * SECTOR_BYTES);
  } else if (key === "store") {
    options.store = parseStore(value, whole);
  } else if (
    !applyRoom(options, key, value, () => inSetting(setting, whole, () => parseSectors(value) * SECTOR_BYTES))
  ) {
    throw wrong(whole, `there is no setting '${key}'`);
  }
}

/** What happens when the store runs full. False: there is no such setting. `bytes`: the value as a size. */
function applyRoom(options: Mutable<SnapshotOptions>, key: string, value: string, bytes: () => number): boolean {
  if (key === "grow") options.grow = { ...options.grow, by: bytes() };
  else if (key === "grow_at") options.grow = { by: NaN, ...options.grow, at: Number(value) };
  else if (key === "grow_max") options.grow = { by: NaN, ...options.grow, max: bytes() };
  else if (key === "when_full") options.whenFull = value as NonNullable<SnapshotOptions["whenFull"]>;
  else if (key === "stall") options.stallSeconds = Number(value);
  else return false;
  return true;
}

/** What a size lacks, with the whole option that it stands in. */
function inSetting(setting: string, whole: string, parse: () => number): number {
  try {
    const value = parse();
    if (value > 0) return value;
  } catch (error) {
    if (!(error instanceof SnapringError)) throw error;
    throw wrong(whole, error.hint === undefined ? error.message : `${error.message}: ${error.hint}`);
  }
  throw wrong(whole, `'${setting}' is nothing`);
}

/** Between separators that no backslash is before. */
function split(text: string, separator: string): string[] {
  const parts = [""];
  for (let at = 0; at < text.length; at++) {
    const isEscape = text[at] === "\\" && isSpecial(text[at + 1]);
    if (isEscape) parts.push(`${parts.pop()}${text[at]}${text[++at]}`);
    else if (text[at] === separator) parts.push("");
    else parts.push(`${parts.pop()}${text[at]}`);
  }
  return parts;
}

function plain(text: string): string {
  return text.replace(/\\([\\,=])/g, "$1");
}

function isSpecial(letter: string | undefined): boolean {
  return letter === "\\" || letter === "," || letter === "=";
}

/** A store by its letters (S-10, S-11, S-13, S-14); what a table line takes without a word, `Nonsense` for one, is a typing error here. */
function parseStore(value: string, whole: string): StoreKind {
  const upper = value.toUpperCase();
  const store = STORE_KINDS.find((kind) => kind === upper);
  if (store !== undefined) return store;
  throw wrong(whole, `store '${value}' is not P, PO or N`);
}

/** What contradicts itself, in the words of the library, with names that stand in the option. */
function refuse(options: SnapshotOptions, text: string): void {
  try {
    checkSnapshotOptions(options);
  } catch (error) {
    if (!isOptionError(error)) throw error;
    const setting = SETTINGS[error.option] ?? error.option;
    throw wrong(text, error.message.replace(`options.${error.option}`, `${setting}=`));
  }
}

/** Options of the library by the settings that have other names. */
const SETTINGS: Readonly<Record<string, string>> = {
  "grow.by": "grow",
  "grow.at": "grow_at",
  "grow.max": "grow_max",
  whenFull: "when_full",
  stallSeconds: "stall",
};

function wrong(text: string, why: string): SnapringError {
  return new SnapringError("EUSAGE", `--snapshot '${text}': ${why}`, {
    hint: "write NAME=COW[,chunk=SIZE][,store=P|PO|N][,size=SIZE][,sparse|written][,read_only][,grow=SIZE][,grow_at=PCT][,grow_max=SIZE][,when_full=invalidate|overflow|stall][,stall=SECONDS]",
  });
}
