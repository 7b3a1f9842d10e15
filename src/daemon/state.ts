/**
 * What the daemon remembers, and nothing else does: which volumes are its own, and how their snapshots are to be treated.
 *
 *   { "version": 1, "volumes": { NAME: spec }, "removed": policies by origins, "snapshots": { VOLUME: { NAME: policy } }, "groups", "pools",
 *     "creations": what was begun and has not been seen to end, "operations": …, "nextOperation": 18, "checksum": … }
 *
 * Which snapshots an origin has, and where, stands in the register beside it alone (E-46): a policy whose snapshot is not registered means nothing, and a
 * snapshot without a policy has the default one. It holds plain values only, and no rule of what may be changed.
 */
import * as v from "valibot";
import { own } from "./names.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const time = v.string();

export const volumeSpec = v.strictObject({
  origin: v.string(),
  readOnly: v.optional(v.boolean()),
  trim: v.optional(v.picklist(["keep", "preserve"])),
  direct: v.optional(v.boolean()),
});

const grow = v.strictObject({ by: positive, at: v.optional(positive), max: v.optional(positive) });

export const policySpec = v.strictObject({
  grow: v.optional(v.nullable(grow)),
  whenFull: v.optional(v.picklist(["invalidate", "overflow", "stall"])),
  stallSeconds: v.optional(positive),
});

export const snapshotSpec = v.strictObject({
  ...policySpec.entries,
  size: v.optional(positive),
  pool: v.optional(v.string()),
  device: v.optional(v.string()),
  chunkSize: v.optional(positive),
  store: v.optional(v.picklist(["P", "PO", "N"])),
  readOnly: v.optional(v.boolean()),
});

const poolSpec = v.strictObject({
  dir: v.string(),
  limit: v.optional(positive),
  space: v.picklist(["reserved", "written", "sparse"]),
});

const member = v.strictObject({ volume: v.string(), snapshot: v.string() });

const group = v.strictObject({
  created: time,
  /** Of its creation: times of two groups may be the same. */
  creation: v.optional(v.string()),
  members: v.array(member),
  /** It is to go, whole: what is left of it goes at the next start. */
  dropping: v.optional(v.literal(true)),
});

const creation = v.strictObject({
  id: v.string(),
  group: v.optional(v.string()),
  members: v.array(v.strictObject({ ...member.entries, spec: snapshotSpec, file: v.optional(v.string()) })),
  begun: time,
});

const problem = v.looseObject({ code: v.string(), detail: v.string() });

const operation = v.strictObject({
  id: v.string(),
  kind: v.picklist(["drop", "grow", "merge"]),
  volume: v.string(),
  snapshot: v.string(),
  state: v.picklist(["running", "done", "failed", "cancelled"]),
  created: time,
  ended: v.optional(time),
  params: v.record(v.string(), v.unknown()),
  result: v.optional(v.record(v.string(), v.unknown())),
  problem: v.optional(problem),
});

const content = v.strictObject({
  version: v.literal(1),
  volumes: named(volumeSpec),
  /** Policies of volumes that were removed, by their origins: their snapshots are registered there yet. The oldest first. */
  removed: v.optional(v.array(v.strictObject({ origin: v.string(), snapshots: named(snapshotSpec) })), () => []),
  snapshots: named(named(snapshotSpec)),
  groups: named(group),
  pools: named(poolSpec),
  creations: v.array(creation),
  operations: v.array(operation),
  nextOperation: count,
});

export type DaemonState = v.InferOutput<typeof content>;
export type VolumeSpec = v.InferOutput<typeof volumeSpec>;
export type SnapshotSpec = v.InferOutput<typeof snapshotSpec>;
export type SnapshotPolicy = v.InferOutput<typeof policySpec>;
export type PoolSpec = v.InferOutput<typeof poolSpec>;
export type Member = v.InferOutput<typeof member>;
export type Creation = v.InferOutput<typeof creation>;
export type OperationRecord = v.InferOutput<typeof operation>;

/** Under names that people give, all of them: valibot's own record leaves out what is called `constructor` or `prototype`. */
function named<Value extends v.GenericSchema>(
  value: Value,
): v.GenericSchema<unknown, Record<string, v.InferOutput<Value>>> {
  const record = v.custom<Record<string, unknown>>(
    (given) => typeof given === "object" && given !== null && !Array.isArray(given),
  );
  return v.pipe(
    v.unknown(),
    record,
    v.transform((given) => Object.entries(given)),
    v.array(v.tuple([v.string(), value])),
    v.transform((entries) => Object.fromEntries(entries) as Record<string, v.InferOutput<Value>>),
  );
}

/**
 * How a snapshot is to be treated; undefined: by the default. One whose creation is not finished as it was asked for: the end of a daemon may have cut that, and
 * it is opened before it is finished.
 */
export function policyIn(
  { snapshots, creations }: DaemonState,
  volume: string,
  snapshot: string,
): SnapshotSpec | undefined {
  const members = creations.flatMap((creation) => creation.members);
  return (
    own(own(snapshots, volume) ?? {}, snapshot) ??
    members.findLast((one) => one.volume === volume && one.snapshot === snapshot)?.spec
  );
}

/** Of a folder where no daemon has been. */
export function newState(): DaemonState {
  return {
    version: 1,
    ...{ volumes: {}, removed: [], snapshots: {}, groups: {}, pools: {} },
    ...{ creations: [], operations: [], nextOperation: 1 },
  };
}

/** Undefined: it is not what a daemon of this version has written. */
export function checkedState(value: unknown): DaemonState | undefined {
  const { success, output } = v.safeParse(content, value);
  return success ? output : undefined;
}
