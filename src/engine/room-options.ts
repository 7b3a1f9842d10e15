/**
 * What a snapshot does when its store runs full, made out of the options that its user has given, and changed while it is open.
 *
 *   store, whenFull, stallSeconds, grow ──▶ FullPolicy ──▶ what the core needs of it (core/room-policy.ts)
 *   setSnapshotPolicy ────────────────────────▲
 *
 * Options that contradict each other are refused before (option-schema.ts), but for a policy that is changed: what it is changed to counts. Values
 * only; who acts on them is store-growth.ts.
 */
import type { RoomPolicy } from "../core/room-policy.ts";
import type { StoreKind } from "../format/table-line.ts";
import type { GrowOptions, SnapshotOptions, SnapshotPolicy } from "./volume-options.ts";

const GROW_AT = 80;

export interface Growth {
  readonly by: number;
  readonly at: number;
  readonly max: number;
}

export interface FullPolicy {
  readonly grow: Growth | undefined;
  readonly overflows: boolean;
  readonly stalls: boolean;
  /** Infinite: without end. */
  readonly stallSeconds: number;
  /** What is added to its file has no space of its own. */
  readonly sparse: boolean;
}

/** Of a snapshot that is opened or made. */
export function policyOf({ store, whenFull, stallSeconds, grow, sparse }: SnapshotOptions): FullPolicy {
  return {
    grow: grow === undefined ? undefined : growthOf(grow),
    overflows: store === "PO" || whenFull === "overflow",
    stalls: whenFull === "stall",
    stallSeconds: stallSeconds ?? Number.POSITIVE_INFINITY,
    sparse: sparse === true,
  };
}

/** What is left out stays as it is. A stall ends as the snapshot did when it was full before. */
export function changedPolicy(policy: FullPolicy, { grow, whenFull, stallSeconds }: SnapshotPolicy): FullPolicy {
  return {
    grow: grow === undefined ? policy.grow : grow === null ? undefined : growthOf(grow),
    overflows: whenFull === "overflow" || (whenFull !== "invalidate" && policy.overflows),
    stalls: whenFull === undefined ? policy.stalls : whenFull === "stall",
    sparse: policy.sparse,
    stallSeconds: stallSeconds === undefined ? policy.stallSeconds : (stallSeconds ?? Number.POSITIVE_INFINITY),
  };
}

/** `readOnly`: nothing is written, so nothing runs full. */
export function corePolicy({ grow, overflows, stalls }: FullPolicy, readOnly: boolean): RoomPolicy {
  return { growAt: readOnly ? 0 : (grow?.at ?? 0), overflows, stalls };
}

/** As the table line has it: P and PO differ in nothing but this. */
export function storeKindOf(store: StoreKind, { overflows }: FullPolicy): StoreKind {
  if (store === "N") return store;
  return overflows ? "PO" : "P";
}

function growthOf({ by, at = GROW_AT, max = Number.POSITIVE_INFINITY }: GrowOptions): Growth {
  return { by, at, max };
}
