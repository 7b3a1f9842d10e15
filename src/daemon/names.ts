/**
 * Names that come from outside, and are keys of what the daemon remembers.
 *
 * A plain object has keys that nobody has given it; so a name is looked up among its own alone, and the one that cannot be a key is no name.
 */
import { nameFault, volumeNameFault } from "../engine/option-schema.ts";
import { Problem } from "./problem.ts";

const LETTERS_MAX = 255;
const NO_KEY = "__proto__";

/** What the record has under this name; undefined: nothing. */
export function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** The same, made where there is nothing. */
export function ownOr<T>(record: Record<string, T>, name: string, make: () => NoInfer<T>): T {
  if (!Object.hasOwn(record, name)) record[name] = make();
  return record[name];
}

/** Throws a Problem (bad-request). */
export function checkVolumeName(name: string): void {
  refuse("a volume", volumeNameFault(name) ?? keyFault(name));
}

/** Throws a Problem (bad-request). */
export function checkSnapshotName(name: string): void {
  refuse("a snapshot", nameFault(name) ?? keyFault(name));
}

/** Of a group or a pool. Throws a Problem (bad-request). */
export function checkPlainName(what: string, name: string): void {
  const fault = name === "" ? "cannot be empty" : name.length > LETTERS_MAX ? "is too long" : keyFault(name);
  refuse(what, fault);
}

function keyFault(name: string): string | undefined {
  return name === NO_KEY ? `cannot be ${NO_KEY}` : undefined;
}

function refuse(what: string, fault: string | undefined): void {
  if (fault !== undefined) throw new Problem("bad-request", `the name of ${what} ${fault}`);
}
