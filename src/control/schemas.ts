/**
 * What requests and answers of the control socket look like: one schema of each, for the check of what comes in, for the types of the routes and for docs/openapi.json.
 *
 * Whether a name can be one, or a device is there, is the daemon's (src/daemon); here are shapes and bounds.
 */
import { type TSchema, Type } from "typebox";
import { STALL_SECONDS_MAX } from "../base/constants.ts";

const bytes = (description: string): ReturnType<typeof Type.Integer> =>
  Type.Integer({ minimum: 512, maximum: Number.MAX_SAFE_INTEGER, multipleOf: 512, description });
const text = (description: string): ReturnType<typeof Type.String> =>
  Type.String({ minLength: 1, maxLength: 4096, description });
const closed = { additionalProperties: false } as const;

/** Of answers: more may be added, and clients pass over what they do not know. */
const open = <T extends Record<string, TSchema>>(fields: T, id: string): ReturnType<typeof Type.Object<T>> =>
  Type.Object(fields, { additionalProperties: true, title: id });

export const VolumeParams = Type.Object({ volume: text("Name of the volume") });
export const SnapshotParams = Type.Object({
  volume: text("Name of the volume"),
  snapshot: text("Name of the snapshot"),
});
export const NameParams = Type.Object({ name: text("Name") });
export const OperationParams = Type.Object({ id: text("Its id: op-17") });

export const NoQuery = Type.Object({}, closed);
export const DryRunQuery = Type.Object(
  { dryRun: Type.Optional(Type.Boolean({ description: "Only say what would happen" })) },
  closed,
);
export const ForceQuery = Type.Object(
  {
    force: Type.Optional(
      Type.Boolean({
        description: "Also a volume that cannot be opened and has snapshots in groups, or operations under way",
      }),
    ),
  },
  closed,
);
export const WaitQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.Number({ minimum: 0, maximum: 600, description: "Answer when it has ended, or after so many seconds" }),
    ),
  },
  closed,
);

/** Other headers are for others. */
export const KeyHeader = Type.Object(
  {
    "idempotency-key": Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        description:
          "Drawn by the client for this request and its repetitions: the same again is the same operation, also when it has ended",
      }),
    ),
  },
  { additionalProperties: true },
);

export const VolumeBody = Type.Object(
  {
    origin: text("Absolute path of the file or block device that holds the live volume"),
    readOnly: Type.Optional(
      Type.Boolean({ description: "Nothing is written, neither the live volume nor a snapshot" }),
    ),
    trim: Type.Optional(
      Type.Union([Type.Literal("keep"), Type.Literal("preserve")], {
        description: "A discard of the live volume: leaves what a snapshot needs (keep), or copies it first (preserve)",
      }),
    ),
    direct: Type.Optional(Type.Boolean({ description: "O_DIRECT; left out: where it serves" })),
  },
  closed,
);

export const OpenBody = Type.Object(
  {
    invalidateMissing: Type.Optional(
      Type.Boolean({ description: "Snapshots whose COW device is not there are given up, for good" }),
    ),
  },
  closed,
);

const Grow = Type.Object(
  {
    by: bytes("Bytes by which the COW file grows"),
    at: Type.Optional(Type.Integer({ minimum: 1, maximum: 99, description: "When so many percent are used (80)" })),
    max: Type.Optional(bytes("Bytes that it has at most")),
  },
  closed,
);

const policy = {
  grow: Type.Optional(Type.Union([Grow, Type.Null()], { description: "Grows by itself; null: does not" })),
  whenFull: Type.Optional(
    Type.Union([Type.Literal("invalidate"), Type.Literal("overflow"), Type.Literal("stall")], {
      description:
        "What happens when there is no room: the snapshot is lost; its own writes fail; writes that need room wait",
    }),
  ),
  stallSeconds: Type.Optional(
    Type.Integer({ minimum: 1, maximum: STALL_SECONDS_MAX, description: "They wait at most so long" }),
  ),
};

const store = {
  ...policy,
  size: Type.Optional(bytes("Bytes of the COW file that is made")),
  pool: Type.Optional(text("The pool in which it is made")),
  device: Type.Optional(
    text("Absolute path of the COW device: a blank block device, or a file that is made with size"),
  ),
  chunkSize: Type.Optional(
    Type.Integer({ minimum: 512, maximum: 2 ** 30, description: "Bytes, a power of two (16384)" }),
  ),
  store: Type.Optional(Type.Union([Type.Literal("P"), Type.Literal("PO"), Type.Literal("N")])),
  readOnly: Type.Optional(Type.Boolean({ description: "Clients may not write the snapshot" })),
};

export const PolicyBody = Type.Object(policy, { ...closed, minProperties: 1 });
export const SnapshotBody = Type.Object(store, closed);
export const GrowBody = Type.Object(
  { size: Type.Optional(bytes("Bytes that it has then; left out: what the device has now")) },
  closed,
);
export const MergeBody = Type.Object(
  {
    throttle: Type.Optional(
      Type.Number({ minimum: 1, maximum: 100, description: "Percentage of the time that it may take" }),
    ),
  },
  closed,
);
export const MergeChange = Type.Object(
  {
    paused: Type.Optional(Type.Boolean()),
    throttle: Type.Optional(Type.Number({ minimum: 1, maximum: 100 })),
  },
  { ...closed, minProperties: 1 },
);
export const GroupBody = Type.Object(
  {
    members: Type.Array(
      Type.Object({ volume: text("Name of the volume"), snapshot: text("Name of the snapshot"), ...store }, closed),
      { minItems: 1, maxItems: 256 },
    ),
  },
  closed,
);
export const PoolBody = Type.Object(
  {
    dir: text("Absolute path of a folder"),
    limit: Type.Optional(bytes("Bytes of all of its files together")),
    space: Type.Optional(
      Type.Union([Type.Literal("reserved"), Type.Literal("written"), Type.Literal("sparse")], {
        description:
          "reserved (default): space is taken when a file is made; written: and every block of it is written; sparse: space is taken when it is needed",
      }),
    ),
  },
  closed,
);

export const Problem = open(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String({ description: "Stable" }),
    retry: Type.Union([Type.Literal("never"), Type.Literal("after-fix"), Type.Literal("backoff")]),
    hint: Type.Optional(Type.String()),
    cause: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
  },
  "Problem",
);

export const Status = open(
  {
    version: Type.String(),
    pid: Type.Integer(),
    started: Type.String(),
    phase: Type.Union([Type.Literal("starting"), Type.Literal("ready"), Type.Literal("stopping")]),
    volumes: Type.Record(Type.String(), Type.Integer()),
    operations: Type.Integer(),
    lastEventId: Type.Integer(),
    journalFault: Type.Optional(Type.String()),
  },
  "Status",
);

export const Volume = open(
  {
    name: Type.String(),
    origin: Type.String(),
    state: Type.Union(["closed", "opening", "open", "failed", "closing"].map((state) => Type.Literal(state))),
    problem: Type.Optional(Problem),
    readOnly: Type.Boolean(),
    trim: Type.String(),
    sizeBytes: Type.Optional(Type.Integer()),
    snapshots: Type.Integer(),
    clients: Type.Integer(),
    uris: Type.Array(Type.String()),
  },
  "Volume",
);
export const VolumeList = open({ volumes: Type.Array(Volume) }, "Volumes");

export const Snapshot = open(
  {
    volume: Type.String(),
    name: Type.String(),
    state: Type.Union(["active", "overflow", "invalid", "merging"].map((state) => Type.Literal(state))),
    status: Type.String({ description: "As dmsetup status has it" }),
    export: Type.String(),
    cow: Type.String(),
    store: Type.String(),
    chunkSize: Type.Integer(),
    sizeBytes: Type.Integer(),
    usedBytes: Type.Integer(),
    usedPercent: Type.Number(),
    exceptions: Type.Integer(),
    readOnly: Type.Boolean(),
    pool: Type.Optional(Type.String()),
    group: Type.Optional(Type.String()),
    grow: Type.Optional(Grow),
    whenFull: Type.String(),
    stallSeconds: Type.Optional(Type.Integer()),
    merge: Type.Optional(Type.Object({ fraction: Type.Number(), percent: Type.Number(), paused: Type.Boolean() })),
    pauseUs: Type.Optional(
      Type.Number({ description: "Where it has just been made: microseconds for which writes of clients were held" }),
    ),
  },
  "Snapshot",
);
export const SnapshotList = open({ snapshots: Type.Array(Snapshot) }, "Snapshots");

export const DryRun = open(
  {
    dryRun: Type.Literal(true),
    does: Type.String(),
    neededBytes: Type.Optional(Type.Integer()),
    freedBytes: Type.Optional(Type.Integer()),
    path: Type.Optional(Type.String()),
  },
  "DryRun",
);

export const Operation = open(
  {
    id: Type.String(),
    kind: Type.Union(["drop", "grow", "merge"].map((kind) => Type.Literal(kind))),
    volume: Type.String(),
    snapshot: Type.String(),
    state: Type.Union(["running", "done", "failed", "cancelled"].map((state) => Type.Literal(state))),
    created: Type.String(),
    ended: Type.Optional(Type.String()),
    fraction: Type.Number(),
    rate: Type.Optional(Type.Number()),
    left: Type.Optional(Type.Number()),
    unit: Type.Optional(Type.String()),
    etaSeconds: Type.Optional(Type.Number()),
    params: Type.Record(Type.String(), Type.Unknown()),
    result: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    problem: Type.Optional(Problem),
  },
  "Operation",
);
export const OperationList = open({ operations: Type.Array(Operation) }, "Operations");

export const Group = open(
  {
    name: Type.String(),
    created: Type.String(),
    members: Type.Array(Type.Object({ volume: Type.String(), snapshot: Type.String() })),
    pauseUs: Type.Optional(Type.Number()),
  },
  "Group",
);
export const GroupList = open({ groups: Type.Array(Group) }, "Groups");

export const Pool = open(
  {
    name: Type.String(),
    dir: Type.String(),
    limit: Type.Optional(Type.Integer()),
    space: Type.String(),
    usedBytes: Type.Integer(),
    freeBytes: Type.Number(),
  },
  "Pool",
);
export const PoolList = open({ pools: Type.Array(Pool) }, "Pools");
