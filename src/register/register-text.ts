/**
 * What stands in a register, and how it is written down.
 *
 *   { "version": 2, "id": …, "origin": { "path", "identity", "bytes" },
 *     "snapshots": { "monday": { "cow": "mon.cow", "identity", "state": "active" | "merging" | "invalid", "store", "chunkBytes",
 *                                "seen": { "exceptions": 17, "checksum", "steps" }, "isFinal": true }, … } }
 *
 * A COW path is relative where the file is in the register's folder or below, so that a folder that is moved, copied or seen under another
 * mount point leads to what is in it; otherwise it is absolute, for a device a name that lasts. Version 1 had absolute paths and states
 * only: what it did not know is empty here, and the next write makes it version 2.
 */
import { dirname, isAbsolute, join, relative } from "node:path";
import { SnapringError } from "../base/errno.ts";
import { type Identity, NO_IDENTITY } from "./identity.ts";
import { isSteps, type SeenStore } from "./store-digest.ts";

/** active: it opens, or nothing does (E-46). merging: its merge goes on (E-36). invalid: whatever its header says (S-70). */
export type RegisteredState = "active" | "merging" | "invalid";

export interface RegisteredSnapshot {
  /** Absolute. */
  readonly cow: string;
  /** It was written down relative to the register: it goes where the register goes. */
  readonly isBeside: boolean;
  readonly identity: Identity;
  readonly state: RegisteredState;
  /** The id in the store's mark; "" where it has none. */
  readonly store: string;
  /** 0: not known. */
  readonly chunkBytes: number;
  /** Undefined: not known. */
  readonly seen: SeenStore | undefined;
  /** Nothing has been added since: the volume was closed in good order. */
  readonly isFinal: boolean;
}

export interface RegisteredOrigin {
  /** Its lasting path when the register was written. */
  readonly path: string;
  readonly identity: Identity;
  readonly bytes: number;
}

export interface RegisterContent {
  /** "" in version 1. */
  readonly id: string;
  /** Undefined in version 1. */
  readonly origin: RegisteredOrigin | undefined;
  readonly snapshots: Map<string, RegisteredSnapshot>;
}

const VERSION = 2;
const STATES: readonly unknown[] = ["active", "merging", "invalid"];

/** `path`: of the register, with whose folder relative paths are completed. Throws a SnapringError (EINVAL): it must not be ignored. */
export function parseRegister(path: string, text: string): RegisterContent {
  const value = parseObject(path, text);
  const version = value["version"];
  if (typeof version === "number" && version > VERSION) {
    throw new SnapringError(
      "EINVAL",
      `register of snapshots ${path} is of version ${version}, made by a newer snapring`,
      {
        hint: "use that one",
      },
    );
  }
  if (version !== 1 && version !== VERSION) throw notUnderstood(path);
  const snapshots = new Map<string, RegisteredSnapshot>();
  for (const [name, entry] of Object.entries(objectOf(path, value["snapshots"])))
    snapshots.set(name, parseSnapshot(path, objectOf(path, entry)));
  if ([...snapshots.values()].filter(({ state }) => state === "merging").length > 1) throw notUnderstood(path);
  if (version === 1) return { id: "", origin: undefined, snapshots };
  const origin = objectOf(path, value["origin"]);
  return {
    id: textOf(path, value["id"]),
    origin: {
      path: textOf(path, origin["path"]),
      identity: textOf(path, origin["identity"]),
      bytes: countOf(path, origin["bytes"]),
    },
    snapshots,
  };
}

export function formatRegister(path: string, content: RegisterContent): string {
  const folder = dirname(path);
  const snapshots = [...content.snapshots].map(([name, entry]) => {
    const { cow, isBeside: _, ...rest } = entry;
    return [name, { cow: isBelow(folder, cow) ? relative(folder, cow) : cow, ...rest }];
  });
  const { id, origin } = content;
  const value = { version: VERSION, id, origin, snapshots: Object.fromEntries(snapshots) };
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The register moves with what is in its folder or below. */
function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && !isAbsolute(way) && way !== ".." && !way.startsWith("../");
}

function parseSnapshot(path: string, entry: Record<string, unknown>): RegisteredSnapshot {
  const cow = textOf(path, entry["cow"]);
  const state = entry["state"];
  if (cow === "" || !STATES.includes(state)) throw notUnderstood(path);
  const seen = entry["seen"];
  return {
    cow: isAbsolute(cow) ? cow : join(dirname(path), cow),
    isBeside: !isAbsolute(cow) || isBelow(dirname(path), cow),
    identity: textOf(path, entry["identity"] ?? NO_IDENTITY),
    state: state as RegisteredState,
    store: textOf(path, entry["store"] ?? ""),
    chunkBytes: countOf(path, entry["chunkBytes"] ?? 0),
    seen: seen === undefined ? undefined : parseSeen(path, objectOf(path, seen)),
    isFinal: entry["isFinal"] === true,
  };
}

function parseSeen(path: string, seen: Record<string, unknown>): SeenStore {
  const checksum = textOf(path, seen["checksum"]);
  const steps = seen["steps"];
  if (!isSteps([checksum]) || !isSteps(steps)) throw notUnderstood(path);
  return { exceptions: countOf(path, seen["exceptions"]), checksum, steps };
}

function parseObject(path: string, text: string): Record<string, unknown> {
  try {
    return objectOf(path, JSON.parse(text));
  } catch {
    throw notUnderstood(path);
  }
}

function objectOf(path: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw notUnderstood(path);
  return value as Record<string, unknown>;
}

function textOf(path: string, value: unknown): string {
  if (typeof value !== "string") throw notUnderstood(path);
  return value;
}

function countOf(path: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw notUnderstood(path);
  return value;
}

function notUnderstood(path: string): SnapringError {
  return new SnapringError("EINVAL", `register of snapshots ${path} cannot be understood`, {
    hint: "repair it, or remove it if the origin has no snapshots that matter",
  });
}
