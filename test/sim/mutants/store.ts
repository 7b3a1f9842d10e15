/**
 * Mutants of opening, allocation and dropping (S-7, S-30…S-43, S-70, C-25).
 */
import { edit, inLivesWith, mutant, type Mutant } from "./mutant.ts";

const ALLOCATOR = "src/core/allocator.ts";
const LOADER = "src/core/store-loader.ts";
const CLAIMS = "src/core/claims.ts";
const ROOM = "src/core/room.ts";
const LIFE = "src/core/life-cycle.ts";
const SHELL = "test/support/core/fake-shell.ts";

export const STORE_MUTANTS: readonly Mutant[] = [
  mutant(
    "end marker off by one",
    "The last exception of a full area is not read.",
    edit(LOADER, "for (; slot < piece.slots; slot++)", "for (; slot < piece.slots - 1; slot++)"),
  ),
  inLivesWith(
    ["prefilledStores", "crashes"],
    mutant(
      "stale tail kept (S-7)",
      "What stands behind the end marker comes back to life when the marker's slot is filled.",
      edit(
        "src/core/committer.ts",
        "    if (area.stale && repairArea(this.#context, this.#invalidations, snapshot)) return;\n",
        "",
      ),
    ),
  ),
  inLivesWith(
    ["prefilledStores", "growth"],
    mutant(
      "area missed after growth (S-42)",
      "The area behind a full last one is what the new space happens to hold.",
      edit(
        "src/core/committer.ts",
        "    if (area.missing && repairArea(this.#context, this.#invalidations, snapshot)) return;\n",
        "",
      ),
    ),
  ),
  inLivesWith(
    ["smallStores", "floods"],
    mutant(
      "last slot of an area given out without a next area (S-42)",
      "Nobody can zero the next area: the store is lost, or cannot be opened.",
      edit(
        ALLOCATOR,
        "return geometry.areaFits(divFloor(next, geometry.exceptionsPerArea), this.#cowSectors);",
        "return true;",
      ),
    ),
  ),
  mutant(
    "chunks of areas given out for data (S-4)",
    "Data overwrites the next area.",
    edit(ALLOCATOR, "this.#persistent ? this.#geometry.nextDataChunk(chunk) : chunk + 1", "chunk + 1"),
  ),
  mutant(
    "next free chunk is the last one in use (S-36)",
    "After opening, the first new exception overwrites the data of an old one.",
    edit(LOADER, "Math.max(FIRST_DATA_CHUNK, this.#largestNew + 1)", "Math.max(FIRST_DATA_CHUNK, this.#largestNew)"),
  ),
  mutant(
    "space counted one chunk too many (S-40)",
    "The last chunk lies behind the end of the device.",
    edit(
      ALLOCATOR,
      "const room = this.#cowSectors >= (this.#nextFree + 1) * geometry.chunkSectors;",
      "const room = this.#cowSectors >= this.#nextFree * geometry.chunkSectors;",
    ),
  ),
  mutant(
    "header without FUA (M_DROP)",
    "A cut brings a snapshot back that misses data of the origin.",
    edit(
      SHELL,
      "return this.#sequence(durableWrite(disk, 0, header), done,",
      "return this.#sequence([() => disk.write(0, header)], done,",
    ),
  ),
  mutant(
    "origin released before the header of S-70",
    "The state says Invalid, the origin is written, a cut: the header is still valid.",
    edit(
      "src/core/invalidation.ts",
      "    if (isSaving) snapshot.enter(Phase.Invalidating);\n",
      `    if (isSaving) snapshot.enter(Phase.Invalidating);
    Object.defineProperty(snapshot, "preserves", { value: false });
    snapshot.config.ports.words.setState(3);
`,
    ),
  ),
  mutant(
    "new store formatted header first (S-31)",
    "A cut between header and area makes stale bytes look like exceptions.",
    edit(
      SHELL,
      "[() => disk.zero(0, 2 * job.chunkBytes), () => disk.flush(), ...durableWrite(disk, 0, header)]",
      "[...durableWrite(disk, 0, header), () => disk.zero(header.length, 2 * job.chunkBytes - header.length)]",
    ),
  ),
  mutant(
    "creation without a flush of the origin (C-30)",
    "What the snapshot shows is in the cache of the origin only.",
    edit(
      "src/core/creation.ts",
      "    this.#context.effects.flushOrigin(this.operation);\n",
      '    this.#halt("durable");\n',
    ),
  ),
  mutant(
    "creation does not wait for writes in flight (W_GEN)",
    "A write that has looked before the snapshot was listed hits the origin after it.",
    edit("src/core/creation.ts", "if (!this.#gates.acquire()) return;", "this.#gates.acquire();"),
  ),
  mutant(
    "registered after the answer (W_REG)",
    "The origin starts without its snapshot.",
    edit(
      "src/core/store-making.ts",
      "    this.#state = state;\n    const what",
      '    this.#state = state === "registering" ? "made" : state;\n    const what',
    ),
    edit(
      "src/core/store-making.ts",
      '    assert(this.#state === "registering", "it is being registered");\n',
      '    if (this.#state !== "registering") return;\n',
    ),
  ),
  inLivesWith(
    ["reserves", "smallStores", "floods"],
    mutant(
      "a claim of an older epoch is taken",
      "The chunk has been handed out to somebody else meanwhile.",
      edit(CLAIMS, "    epoch === snapshot.store.reserveEpoch &&\n", ""),
    ),
  ),
  mutant(
    "a claim does not look for a pending exception",
    "Two exceptions for one chunk: the later one hides what the first has kept.",
    edit(CLAIMS, "    snapshot.progress.pending.get(chunk) === undefined &&\n", ""),
  ),
  mutant(
    "a claim does not look for an exception that is there",
    "Another origin write has been let through behind that one: the chunk was filled with its data.",
    edit(CLAIMS, "snapshot.config.ports.table.stateOf(chunk) === EntryState.None", "chunk >= 0"),
  ),
  mutant(
    "only the first snapshot is asked (E-13)",
    "The others never get what they wait for.",
    edit("src/core/origin-keeper.ts", "of this.#context.listed)", "of this.#context.listed.slice(0, 1))"),
  ),
  inLivesWith(
    ["cowFaults", "overflowStores", "severalSnapshots"],
    mutant(
      "an exception without room is made all the same (E-8)",
      "The file system was full, the copy is not there, and the chunk reads as what stood in its place.",
      edit(
        "src/core/copy-ends.ts",
        "    if (pending.error === 0) this",
        "    if (pending.error === 0 || mayLeaveOut(pending)) this",
      ),
    ),
  ),
  inLivesWith(
    ["cowFaults", "overflowStores", "severalSnapshots"],
    mutant(
      "an origin write waits for an exception that was left out (E-15)",
      "The live volume waits for ever because a snapshot's file system is full.",
      edit("src/core/overflow.ts", "(stalls || (overflows && keepers.isEmpty))", "(stalls || overflows)"),
    ),
  ),
  inLivesWith(
    ["kills", "crashes"],
    mutant(
      "no flush at opening (C-49, W_OPENFLUSH)",
      "A killed process had sent an area: it is read, the origin is overwritten, and a cut takes the area away.",
      edit(LIFE, "const flushes = nothing ? [] :", "const flushes = nothing || !nothing ? [] :"),
    ),
  ),
  inLivesWith(
    ["kills", "crashes"],
    mutant(
      "only the origin is flushed at opening (C-49)",
      "As before: the area is on the COW device.",
      edit(LIFE, "[ORIGIN_DEVICE, 1 + config.index]", "[ORIGIN_DEVICE]"),
    ),
  ),
  inLivesWith(
    ["kills", "cowFaults"],
    mutant(
      "a flush at opening that fails is no failure (C-49)",
      "The snapshot is listed although nobody knows what is durable of it.",
      edit(
        "src/core/opening.ts",
        "if (error === 0 || this.#isInvalidAnyhow() || this.#hasNoFlush(error)) this",
        "if (error === 0 || this.#flushed > 0) this",
      ),
    ),
  ),
  ...[
    mutant(
      "nobody waits for a growth (E-47)",
      "A flood ends a snapshot whose file system has room.",
      edit(
        "src/core/snapshot-room.ts",
        "return (growAt > 0 || stalls) && (this.isStalled || !this.#allocator.hasSpace());",
        "return false;",
      ),
    ),
    mutant(
      "a store that has grown does not ask for room again (E-47)",
      "Who waits for room waits for ever.",
      edit(
        ROOM,
        "    room.forgetAsked();\n    if (store.allocator.hasSpace()) lookAgain",
        "    if (store.allocator.hasSpace()) lookAgain",
      ),
    ),
  ].map((one) => inLivesWith(["autoGrowth", "stalls", "smallStores", "floods"], one)),
];
