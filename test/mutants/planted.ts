/**
 * Small mistakes that a person makes: what a failure gives back, what is looked at again, what a short transfer means, which device a flush goes
 * to, what a figure counts. The first five lived through every test there was; the rest are of their kind.
 *
 * Each names the unit tests that must fail when it is planted: `npm run mutants -- --planted`. Mistakes in orders are the simulator's
 * (test/sim/mutants).
 */
import { type Edit, edit } from "../sim/mutants/mutant.ts";

export interface Planted {
  readonly name: string;
  /** What a user would lose. */
  readonly story: string;
  readonly edits: readonly Edit[];
  readonly tests: readonly string[];
}

const FAILED = "test/unit/workers/export-failed.test.ts";
const COPY_TEST = "test/unit/workers/copy-loop.test.ts";
const METADATA_TEST = "test/unit/workers/metadata-loop.test.ts";
const MERGE_ORDER = "test/unit/offline/merge-order.test.ts";
const COUNTERS = "test/unit/core/counters.test.ts";
const CREATION = "test/unit/core/creation.test.ts";
const GIVEN_BACK = "test/unit/core/given-back.test.ts";
const DEPARTED = "test/unit/workers/export-departed.test.ts";
const TRIM = "test/unit/workers/export-trim.test.ts";

const FILL = "workers/export/chunk-fill.ts";
const READER = "workers/export/connection-reader.ts";
const SNAPSHOT = "workers/export/snapshot-handler.ts";
const COPY = "workers/copy/copy-loop.ts";
const METADATA = "workers/metadata/metadata-loop.ts";
const SHELL = "src/offline/sync-shell.ts";
const CREATE = "src/offline/create-store.ts";

function planted(tests: string, name: string, story: string, ...edits: readonly Edit[]): Planted {
  return { name, story, edits, tests: [tests] };
}

const THE_FIVE: readonly Planted[] = [
  planted(
    FAILED,
    "a fill whose read or write fails keeps its slot",
    "After some hundred failures of a device no write has memory any more.",
    edit(
      "workers/export/context.ts",
      "      this.#giveSlot(fill.slot, pieceOwner(piece.index), request",
      "      if (piece.transfer.error === 0) this.#giveSlot(fill.slot, pieceOwner(piece.index), request",
    ),
  ),
  planted(
    FAILED,
    "only the first chunk of a tracked read is looked at again (C-3)",
    "A read of several chunks gets what the origin has by now.",
    edit(
      SNAPSHOT,
      "snapshot.table.lookup(first, count) === EntryState.None && snapshot.table.runLength >= count;",
      "snapshot.table.lookup(first, 1) === EntryState.None;",
    ),
  ),
  planted(
    FAILED,
    "a short read of an edge is taken for whole",
    "The bytes around a write get what the memory held.",
    edit(
      "workers/export/piece-io.ts",
      "    else if (result !== deviceOf(transfer).align) transfer.error = errno.EIO;\n",
      "",
    ),
  ),
  planted(
    MERGE_ORDER,
    "the flush of an offline merge goes to the COW device (S-63)",
    "The exceptions are erased, and the merged data is in a cache.",
    edit(SHELL, "return this.#device(job.device).sync();", "return this.#cow.sync();"),
  ),
  planted(
    COUNTERS,
    "copies that a worker has made itself are not counted",
    "A figure is too small.",
    edit("src/core/origin-keeper.ts", "    snapshot.counters.copies += 1;\n", ""),
  ),
];

const ROOM: readonly Planted[] = [
  planted(
    "test/unit/core/room.test.ts",
    "a merge that starts keeps those who wait for room (E-48)",
    "They wait for ever: nothing grows while it merges.",
    edit(
      "src/core/merge.ts",
      "    if (this.snapshot.phase === Phase.Starting) lookAgain(this.#context, this.snapshot);\n",
      "",
    ),
  ),
  planted(
    "test/unit/core/room.test.ts",
    "a stall that is over overflows, though an origin write waits (E-15, E-48)",
    "The live volume waits for ever for a snapshot.",
    edit(
      "src/core/room.ts",
      "if (!room.policy.overflows || !waiters.keepersUntilRoom.isEmpty) return",
      "if (!room.policy.overflows) return",
    ),
  ),
  planted(
    "test/unit/core/room.test.ts",
    "a merge takes a refusal at the close for kept data (C-33)",
    "What another snapshot had not kept is overwritten.",
    edit("src/core/merge-step.ts", "    if (window.isRefused) {", "    if (false as boolean) {"),
  ),
  planted(
    "test/unit/core/full-file-system.test.ts",
    "chunks are handed out while the file system is full (S-47, E-48)",
    "Writes that should wait are tried again and again, as fast as they fail.",
    edit("src/core/snapshot-room.ts", "return !this.isStalled || this.#trial === Trial.Offered;", "return true;"),
  ),
  planted(
    "test/unit/core/full-file-system.test.ts",
    "one that has tried in vain is the last one (E-48)",
    "Who waits for room waits for ever, once it was looked for too early.",
    edit("src/core/copy-ends.ts", "    if (pending.tries) snapshot.room.endTrial();\n", ""),
  ),
  planted(
    "test/unit/core/full-file-system.test.ts",
    "chunks in reserve are given out while the file system is full (S-44, S-46)",
    "Who needs room takes them back, a worker asks for others, and so on without end.",
    edit("src/core/claims.ts", "!hasReserves(snapshot) || snapshot.room.isStalled", "!hasReserves(snapshot)"),
  ),
  planted(
    "test/unit/core/full-file-system.test.ts",
    "a stall that nobody waits for any more ends without a word (E-48)",
    "It is alarm for ever.",
    edit(
      "src/core/room.ts",
      "    if (!waiters.isForRoom && !snapshot.isEnding) return room.endStall();\n    room.forgetStall();\n",
      "    room.forgetStall();\n    if (!waiters.isForRoom) return;\n",
    ),
  ),
  planted(
    "test/unit/engine/room-watch.test.ts",
    "room is looked for at a quota's pace where statfs shows it",
    "Who waits for room does so for a minute longer.",
    edit("src/engine/room-watch.ts", "if (free > this.#least || ", "if ("),
  ),
  planted(
    "test/unit/workers/export-snapshot.test.ts",
    "a granted write that is to look again is taken for failed (E-48)",
    "A client gets an error where it was promised to wait.",
    edit(
      "workers/export/first-write.ts",
      "stage !== Stage.Chunk) return Outcome.Again",
      "stage === Stage.Claimed) return Outcome.Again",
    ),
  ),
  planted(
    "test/unit/core/room.test.ts",
    "a level is told at each exception (E-49)",
    "An alarm that never ends.",
    edit("src/core/fill-level.ts", "      this.#passed += 1;\n", "      this.#passed += 0;\n      break;\n"),
  ),
  planted(
    "test/unit/device/file-growth.test.ts",
    "growth that has failed leaves a longer file (E-45)",
    "A hole where reserved space was promised is taken over the next time.",
    edit("src/device/file-growth.ts", "    ftruncateSync(fd, size);\n", ""),
  ),
];

const GIVES_BACK: readonly Planted[] = [
  planted(
    FAILED,
    "a reserved chunk that could not be filled is lost",
    "Each failure makes a hole in the store.",
    edit(
      "workers/export/first-write.ts",
      "    this.#claim.giveBack(piece);\n    this.#context.leave(piece);",
      "    piece.claim.end();\n    piece.claim.may = false;\n    this.#context.leave(piece);",
    ),
  ),
  planted(
    FAILED,
    "a reserved chunk whose claim was refused is lost",
    "Each race makes a hole in the store.",
    edit("workers/export/chunk-claim.ts", "    piece.fill.snapshot.reserve?.giveBack(claim.chunk, claim.epoch);\n", ""),
  ),
  planted(
    FAILED,
    "a piece that could not fill its reserved chunk tries the next one",
    "All chunks in reserve are written, one after the other, to a device that fails.",
    edit("workers/export/chunk-claim.ts", "    claim.end();\n    claim.may = false;", "    claim.end();"),
  ),
  planted(
    FAILED,
    "a piece that could not fill its reserved chunk stays in the gate",
    "A merge, or a removal, waits for ever.",
    edit(
      "workers/export/first-write.ts",
      "    this.#claim.giveBack(piece);\n    this.#context.leave(piece);",
      "    this.#claim.giveBack(piece);",
    ),
  ),
  planted(
    "test/unit/workers/export-snapshot.test.ts",
    "a released piece keeps the slot in which its chunk was put together",
    "Every first write costs a slot.",
    edit(
      "workers/export/context.ts",
      "      this.#giveSlot(fill.slot, pieceOwner(piece.index), request, this.clientOf(request));\n",
      "      void request;\n",
    ),
  ),
  planted(
    "test/unit/workers/export-long.test.ts",
    "zeroes that have ended count among those under way",
    "After 16 MiB of them no zeroes begin.",
    edit(
      "workers/export/pieces.ts",
      "    if (piece.longBytes > 0) this.#long.ended(piece, request, context.clientOf(request));\n",
      "",
    ),
  ),
  planted(
    "test/unit/workers/export-snapshot.test.ts",
    "a tracked read that fails is tracked for ever (C-5)",
    "The next origin write to its chunks waits for ever.",
    edit(
      "workers/export/snapshot-handler.ts",
      "    this.#untrack(piece);\n    const { error }",
      "    if (piece.transfer.error === 0) this.#untrack(piece);\n    const { error }",
    ),
  ),
  planted(
    FAILED,
    "a tracked read that found an exception on its second look is tracked twice",
    "As before.",
    edit(SNAPSHOT, "    if (!none) this.#untrack(piece);\n", ""),
  ),
  planted(
    FAILED,
    "a request that ends keeps its slot",
    "No client has memory after the first thousand requests.",
    edit(
      "workers/export/context.ts",
      "  giveBack(request: Request): void {\n    this.giveBackSlot(request);\n",
      "  giveBack(request: Request): void {\n",
    ),
  ),
  planted(
    "test/unit/workers/export-limits.test.ts",
    "a slot that comes back still counts as its connection's",
    "A client that has read 12 MiB is not served any more while others wait.",
    edit("workers/export/context.ts", "    client.heldBytes -= request.slotBytes;\n", ""),
  ),
  planted(
    FAILED,
    "the last of a gate does not say that it is empty where it was refused",
    "A creation waits for ever.",
    edit(
      "workers/export/context.ts",
      "    if (piece.announcement.enter(pass, gate)) return true;\n    this.leave(piece);",
      "    if (piece.announcement.enter(pass, gate)) return true;\n    piece.announcement.leave();",
    ),
  ),
  planted(
    COPY_TEST,
    "a copy that has failed keeps its segment",
    "After some dozen failures nothing is copied, and every origin write waits.",
    edit(
      "workers/copy/copy-loop.ts",
      "    this.#segments.give(segment);",
      "    if (job.readError === 0) this.#segments.give(segment);",
    ),
  ),
  planted(
    COPY_TEST,
    "a copy whose target has failed keeps its segment",
    "As before.",
    edit(
      "workers/copy/copy-loop.ts",
      "    this.#segments.give(segment);",
      "    if (job.failed === 0) this.#segments.give(segment);",
    ),
  ),
  planted(
    METADATA_TEST,
    "a metadata job that has failed keeps its record",
    "After 256 failures no header is written.",
    edit(METADATA, "    this.#jobs.give(job);\n", "    if (job.error === 0) this.#jobs.give(job);\n"),
  ),
  planted(
    "test/unit/engine/metadata-sender.test.ts",
    "image slots of a job that has failed are lost",
    "After some failures no area is written.",
    edit(
      "src/engine/metadata-sender.ts",
      "    this.#free.push(...sent.slots);\n",
      "    if (error === 0) this.#free.push(...sent.slots);\n",
    ),
  ),
  planted(
    "test/unit/core/full-file-system.test.ts",
    "a chunk that found no room is not handed out again (E-8)",
    "Each refused write makes a hole in a full store.",
    edit("src/core/overflow.ts", "  snapshot.store.allocator.giveBack(pending.newChunk);\n", ""),
  ),
  planted(
    GIVEN_BACK,
    "flushes that wait when a snapshot turns Invalid are never answered",
    "The client hangs.",
    edit("src/core/invalidation.ts", "    for (const flush of flushes) needs.done(flush.need, errno.EIO);\n", ""),
  ),
  planted(
    GIVEN_BACK,
    "writes that wait for reserves when a snapshot turns Invalid are never answered",
    "The client hangs.",
    edit("src/core/invalidation.ts", "    needs.end(untilReclaimed, 0);\n", ""),
  ),
  planted(
    GIVEN_BACK,
    "a granted write that comes back to an Invalid snapshot still counts as under way",
    "The snapshot is never dropped, the volume never closes.",
    edit(
      "src/core/copy-ends.ts",
      "    progress.outstanding -= 1;\n    pending.grant = null;",
      "    pending.grant = null;",
    ),
  ),
  planted(
    GIVEN_BACK,
    "a failed copy still counts as under way (E-25)",
    "After 2048 failures every write waits for its turn for ever.",
    edit(
      "src/core/copy-ends.ts",
      "      snapshot.progress.copies -= 1;\n",
      "      if (error === 0) snapshot.progress.copies -= 1;\n",
    ),
  ),
  planted(
    CREATION,
    "a creation that is given up keeps the origin's gate",
    "The volume hangs.",
    edit(
      "src/core/creation.ts",
      "    this.#failure = failure;\n    this.#release();\n",
      "    this.#failure = failure;\n",
    ),
  ),
  planted(
    CREATION,
    "a creation that fails keeps its place",
    "A second attempt meets an assert.",
    edit("src/core/store-making.ts", "    this.#context.snapshots[this.snapshot.index] = undefined;\n", ""),
  ),
  planted(
    CREATION,
    "a creation that is given up stays registered",
    "The next opening is refused without a store that its maker was told is not there.",
    edit("src/core/store-making.ts", 'config.registered ? "unregister" : "blank"', '"blank"'),
  ),
  planted(
    CREATION,
    "a snapshot that was made, and is not to be, is undone as if nobody had seen it",
    "It is forgotten with its exceptions under way, and its header stands.",
    edit("src/core/creation.ts", 'this.#isActive ? "drop" : "undo"', '"undo"'),
    edit(
      "src/core/creation.ts",
      "if (this.#isActive) this.#drop(one.snapshot);\n      else one.undo();",
      "one.undo();",
    ),
  ),
  planted(
    "test/unit/core/creation-group.test.ts",
    "the volumes of a group are held one after the other",
    "A write that follows an answer of the first volume is in the snapshot of the second, and what was answered in none.",
    edit(
      "src/core/creation-group.ts",
      "else if (this.#members.every(({ at }) => at === halt)) for",
      'else if (halt !== "durable") member.creation.goOn();\n    else if (this.#members.every(({ at }) => at === halt)) for',
    ),
  ),
  planted(
    "test/unit/core/creation-group.test.ts",
    "a member that fails leaves the others as they are",
    "Half a group stays.",
    edit("src/core/creation-group.ts", "    if (error !== 0) this.cancel();\n", ""),
  ),
  planted(
    "test/unit/core/merge.test.ts",
    "writes that wait for a failed step of a merge are never answered",
    "The client hangs.",
    edit(
      "src/core/merge-step.ts",
      "    needs.end(this.#writers, 0);\n",
      "    if (error === 0) needs.end(this.#writers, 0);\n",
    ),
  ),
  planted(
    DEPARTED,
    "a part of a write whose client has gone is taken for one whose rest still comes",
    "A client that vanishes amid a write of more than 32 MiB ends the thread, and with it every client's connection.",
    edit(READER, "    if (connection.id === -1) return this.#forgo(connection, request);\n", ""),
  ),
  planted(
    DEPARTED,
    "who is neither stalled nor about to end is not asked whether he still reads",
    "A client that vanishes behind a part of a write keeps its place for as long as the device hangs.",
    edit(
      "workers/export/clients.ts",
      "      if (connection.id !== -1) this.#sender.ask(connection);\n",
      "      if (connection.id !== -1 && (connection.stalled || connection.ending)) this.#sender.ask(connection);\n",
    ),
  ),
];

const LOOKS_AGAIN: readonly Planted[] = [
  planted(
    FAILED,
    "an origin write looks at its first chunk only (C-10)",
    "The old data of the others is lost.",
    edit(
      "workers/export/settled.ts",
      "if (!snapshot.table.allSettled(first, chunks)) return false;",
      "if (!snapshot.table.allSettled(first, 1)) return false;",
    ),
  ),
  planted(
    FAILED,
    "an origin write does not mind a snapshot that has overflowed (E-14)",
    "Its view changes under its readers.",
    edit(
      "workers/export/settled.ts",
      "  return state === SnapshotState.Active || state === SnapshotState.Overflow;\n",
      "  return state === SnapshotState.Active;\n",
    ),
  ),
  planted(
    TRIM,
    "a trim passes on what a snapshot still needs, where it begins with what none does (E-19)",
    "The old data is gone from the snapshot.",
    edit(
      "workers/export/origin-handler.ts",
      "    piece.length = settledStretch(volume, piece.offset, piece.length);\n",
      "",
    ),
  ),
  planted(
    TRIM,
    "a trim goes by the stretch of the snapshot that it looks at last (E-19)",
    "The old data is gone from the others.",
    edit(
      "workers/export/settled.ts",
      "    settled = Math.min(settled, Math.max(0, end - offset));\n",
      "    settled = Math.min(length, Math.max(0, end - offset));\n",
    ),
  ),
  planted(
    TRIM,
    "a trim takes what is visible for settled (E-19, C-24)",
    "A read that is on its way to the origin finds nothing there.",
    edit(
      "workers/export/settled.ts",
      "  if (table.allSettled(first, 1)) return 0;\n",
      "  if (table.lookup(first, 1) !== EntryState.None) return 0;\n",
    ),
    edit(
      "workers/export/settled.ts",
      "    const end = (first + snapshot.table.settledRun(first, chunks)) * snapshot.chunkBytes;\n",
      "    snapshot.table.lookup(first, chunks);\n    const end = (first + snapshot.table.runLength) * snapshot.chunkBytes;\n",
    ),
  ),
  planted(
    TRIM,
    "zeroes are left as they are where a snapshot needs the data (E-16)",
    "What was to read as zeroes shows what was there.",
    edit(
      "workers/export/origin-handler.ts",
      "    if (piece.kind === PieceKind.Trim && volume.keepsTrims) return this.#trim(piece);\n",
      "    if (piece.kind !== PieceKind.Write && volume.keepsTrims) return this.#trim(piece);\n",
    ),
  ),
  planted(
    FAILED,
    "an origin write asks for the whole sectors that it covers, not for those that it touches",
    "The old data of its last chunk is lost.",
    edit(
      "workers/export/needs.ts",
      "Math.ceil((piece.offset + piece.length) / SECTOR_BYTES) - sector",
      "Math.floor((piece.offset + piece.length) / SECTOR_BYTES) - sector",
    ),
  ),
  planted(
    "test/unit/workers/export-origin.test.ts",
    "a read of the merging volume takes its first chunk's place for all of it",
    "It gets other chunks' data.",
    edit(
      "workers/export/merging-handler.ts",
      "  piece.length = snapshot.clippedToRun(piece, snapshot.table.runLength);\n",
      "",
    ),
  ),
  planted(
    FAILED,
    "a write on a snapshot takes its first chunk's place for all of it",
    "It overwrites other chunks.",
    edit(
      "workers/export/snapshot-handler.ts",
      "    piece.length = snapshot.clippedToRun(piece, snapshot.table.runLength);\n    const position",
      "    const position",
    ),
  ),
  planted(
    "test/unit/workers/export-discard.test.ts",
    "a trim with zeroes takes its first chunk's place for all of it",
    "It zeroes other chunks.",
    edit(
      "workers/export/snapshot-handler.ts",
      "!== EntryState.None;\n    piece.length = snapshot.clippedToRun(piece, snapshot.table.runLength);\n",
      "!== EntryState.None;\n",
    ),
  ),
];

const SHORT: readonly Planted[] = [
  planted(
    FAILED,
    "a fill that reads short begins again at the same place",
    "The chunk has its first bytes twice.",
    edit(
      "workers/export/chunk-fill.ts",
      "    const from = fill.from + piece.transfer.progress;",
      "    const from = fill.from;",
    ),
  ),
  planted(
    FAILED,
    "a short write of a fill counts as whole",
    "The end of the chunk is what the slot had before.",
    edit(
      "workers/export/chunk-fill.ts",
      "    if (transfer.progress >= fill.bytes) return true;\n",
      "    if (transfer.progress > 0) return true;\n",
    ),
  ),
  planted(
    FAILED,
    "a read that gives nothing is no failure of a fill",
    "The worker reads for ever.",
    edit(FILL, "    if (result <= 0) {\n", "    if (result < 0) {\n"),
  ),
  planted(
    "test/unit/workers/export-snapshot.test.ts",
    "a read that gives nothing is no failure",
    "The worker reads for ever.",
    edit(
      "workers/export/piece-io.ts",
      "    if (result === 0) {\n      transfer.error = errno.EIO;\n      return true;\n    }\n    this.#submitRead",
      "    this.#submitRead",
    ),
  ),
  planted(
    FAILED,
    "a write that takes nothing is no failure",
    "The worker writes for ever.",
    edit(
      "workers/export/piece-io.ts",
      "    if (result === 0) {\n      transfer.error = errno.EIO;\n      return true;\n    }\n    this.#writeWhole",
      "    this.#writeWhole",
    ),
  ),
  planted(
    FAILED,
    "zeroes that are written short begin again at the same place",
    "The end of the range keeps its data.",
    edit("workers/export/piece-io.ts", "length, position + progress);", "length, position);"),
  ),
  planted(
    COPY_TEST,
    "a copy whose read gives nothing is no failure",
    "The exception has what the memory held.",
    edit(COPY, "    if (result > 0) segment.read(result);", "    if (result >= 0) segment.read(result);"),
  ),
  planted(
    COPY_TEST,
    "a copy whose write takes nothing is no failure",
    "As before.",
    edit(COPY, "    if (result <= 0) {\n      job.fail", "    if (result < 0) {\n      job.fail"),
  ),
  planted(
    COPY_TEST,
    "the second target that fails hides the first",
    "An exception of the first counts as copied.",
    edit("workers/copy/segmented-copy.ts", "this.failed |= 1 << t;", "this.failed = 1 << t;"),
  ),
  planted(
    METADATA_TEST,
    "a short read of an area counts as whole (S-60)",
    "What the memory held before is merged.",
    edit(
      METADATA,
      "else if (result >= 0 && result < expected) job.error = errno.EIO;",
      "else if (result >= 0 && result < expected && job.steps[0].operation !== IoOp.Read) job.error = errno.EIO;",
    ),
  ),
];

const FLUSHES: readonly Planted[] = [
  planted(
    "test/unit/workers/export-origin.test.ts",
    "a flush of the merging volume leaves the origin out (C-38)",
    "What was acknowledged is in a cache.",
    edit(
      "workers/export/origin-handler.ts",
      "    if (piece.kind === PieceKind.Flush && transfer.error === 0 && transfer.file !== this.volume.origin.file) {\n",
      "    if (piece.index < 0) {\n",
    ),
  ),
  planted(
    "test/unit/workers/export-origin.test.ts",
    "a failed flush of the COW device is forgotten by that of the origin",
    "A flush is acknowledged that failed.",
    edit(
      "workers/export/origin-handler.ts",
      "piece.kind === PieceKind.Flush && transfer.error === 0 &&",
      "piece.kind === PieceKind.Flush &&",
    ),
  ),
  planted(
    "test/unit/workers/export-durable.test.ts",
    "a flush of a snapshot goes to the origin",
    "What was written to the snapshot is in a cache.",
    edit(SNAPSHOT, "this.#io.sync(piece, this.#snapshot.cow.file);", "this.#io.sync(piece, this.volume.origin.file);"),
  ),
  planted(
    "test/unit/core/merge.test.ts",
    "the flush of a merge goes to the COW device (S-63)",
    "The exceptions are erased, and the merged data is in a cache.",
    edit(
      "src/core/merge-step.ts",
      'kind: "flush", snapshot: this.#snapshot.index, device: ORIGIN_DEVICE',
      'kind: "flush", snapshot: this.#snapshot.index, device: this.#snapshot.device',
    ),
  ),
  planted(
    "test/unit/core/opening.test.ts",
    "a store that is opened is not flushed (C-49)",
    "What was read is gone after the next cut, the old data overwritten.",
    edit("src/core/life-cycle.ts", "[ORIGIN_DEVICE, 1 + config.index]", "[ORIGIN_DEVICE]"),
  ),
  planted(
    "test/unit/core/opening.test.ts",
    "the origin is not flushed when a store is opened (C-49)",
    "As before, for what a merge had copied back.",
    edit("src/core/life-cycle.ts", "[ORIGIN_DEVICE, 1 + config.index]", "[1 + config.index]"),
  ),
  planted(
    GIVEN_BACK,
    "the flush at the end goes to the origin (E-42)",
    "What clients wrote to a snapshot is in a cache.",
    edit("src/core/closing.ts", "device: snapshot.device", "device: 0"),
  ),
  planted(
    GIVEN_BACK,
    "a failed flush at the end is no failure (E-42)",
    "The close says that all is well.",
    edit("src/core/closing.ts", "    if (error !== 0) this.#error = error;\n", ""),
  ),
  planted(
    MERGE_ORDER,
    "an offline merge erases without a flush behind it",
    "The exceptions come back after a cut, over what was written since.",
    edit(
      SHELL,
      "    this.#cow.write(position, bytes);\n    this.#cow.sync();",
      "    this.#cow.write(position, bytes);",
    ),
  ),
  planted(
    MERGE_ORDER,
    "an offline merge goes on where the origin cannot be written",
    "The exceptions are erased, the data is lost.",
    edit(SHELL, "        failed |= 1 << i;\n", ""),
    edit(SHELL, "        writeError ||= error;\n", ""),
  ),
  planted(
    MERGE_ORDER,
    "a new store's area is not flushed before its header (S-31)",
    "A cut leaves a valid store with what was there before.",
    edit(
      CREATE,
      "  cow.writeZeroes(geometry.areaPosition(0), chunkBytes);\n  cow.sync();\n",
      "  cow.writeZeroes(geometry.areaPosition(0), chunkBytes);\n",
    ),
  ),
  planted(
    MERGE_ORDER,
    "a new store is said to be there before it is durable",
    "A cut takes it away again.",
    edit(CREATE, "cow.logicalBlockBytes))),\n  );\n  cow.sync();\n", "cow.logicalBlockBytes))),\n  );\n"),
  ),
  planted(
    MERGE_ORDER,
    "the old header is not gone before the list behind it is overwritten",
    "A cut leaves the old header before an empty list.",
    edit(CREATE, "  if (overContent) cow.writeZeroes(0, chunkBytes);\n", ""),
  ),
];

const COUNTS: readonly Planted[] = [
  planted(
    COUNTERS,
    "bytes that a worker has copied itself are not counted",
    "A figure is too small.",
    edit("src/core/origin-keeper.ts", "    snapshot.counters.copiedBytes += sectors * SECTOR_BYTES;\n", ""),
  ),
  planted(
    COUNTERS,
    "chunks that were filled before they were claimed are not counted",
    "A figure is too small.",
    edit("src/core/snapshot-writer.ts", "    pending.snapshot.counters.grants += 1;\n", ""),
  ),
  planted(
    COUNTERS,
    "a copy that has failed is counted",
    "A figure is too large.",
    edit(
      "src/core/copy-ends.ts",
      "if (error === 0 && pending.error === 0) snapshot.counters.copies += 1;",
      "snapshot.counters.copies += 1;",
    ),
  ),
  planted(
    "test/unit/workers/export-counters.test.ts",
    "a request that fails in a later part is not counted",
    "A figure is too small.",
    edit(
      "workers/export/loop.ts",
      "if (!more || request.error !== 0) this.#count(request);",
      "if (!more) this.#count(request);",
    ),
  ),
  planted(
    "test/unit/workers/export-counters.test.ts",
    "bytes of a request that failed are counted",
    "A figure is too large.",
    edit(
      "workers/export/loop.ts",
      "    else if (request.operation === Operation.Read) counters[ExportCounter.ReadBytes] += bytes;",
      "    if (request.operation === Operation.Read) counters[ExportCounter.ReadBytes] += bytes;",
    ),
  ),
];

const VOLUMES_TEST = "test/unit/workers/export-volumes.test.ts";
const SWITCHBOARD_TEST = "test/unit/engine/switchboard.test.ts";
const VOLUME_STOP_TEST = "test/unit/engine/volume-stop.test.ts";

const OF_ANOTHER: readonly Planted[] = [
  planted(
    SWITCHBOARD_TEST,
    "a message reaches the first volume, whichever it names",
    "A write waits for ever, and another volume's core meets an assert.",
    edit(
      "src/engine/switchboard.ts",
      "    const station = this.#stations[volume];\n    if (station === undefined) return",
      "    const station = this.#stations[3];\n    if (station === undefined) return",
    ),
  ),
  planted(
    SWITCHBOARD_TEST,
    "who waits for a volume that has gone is not answered (C-19)",
    "The worker never says that it has stopped.",
    edit(
      "src/engine/switchboard.ts",
      "    if (station === undefined) return answerForNobody(channel, kind, volume, tokenOf(words, at));",
      "    if (station === undefined) return;",
    ),
  ),
  planted(
    VOLUMES_TEST,
    "a gate that opens lets another volume's writes go on",
    "A snapshot holds what was written after it.",
    edit(
      "workers/export/loop.ts",
      "of this.#context.volume(volume).unpark(gate)",
      "of this.#context.volume(0).unpark(gate)",
    ),
  ),
  planted(
    VOLUMES_TEST,
    "a volume that stops ends every volume's clients",
    "A volume that is closed cuts off the clients of all.",
    edit(
      "workers/export/clients.ts",
      "      if (connection.volume !== volume) continue;",
      "      if (connection.volume === null) continue;",
    ),
  ),
  planted(
    VOLUMES_TEST,
    "who has chosen a volume becomes its client when that has none any more (C-19)",
    "A volume that is closed while somebody connects ends the thread, and with it every volume.",
    edit("workers/export/connection-reader.ts", "    if (volume.stopping) {\n", "    if (volume.givesUp) {\n"),
  ),
  planted(
    VOLUMES_TEST,
    "a volume is over while requests of it are under way",
    "Its device is closed under them, and its number used again.",
    edit("workers/export/served-volume.ts", "return this.clients === 0 && this.requests === 0;", "return true;"),
  ),
  planted(
    "test/unit/workers/segment-shares.test.ts",
    "a device that goes keeps its part of the segments (E-25)",
    "After some volumes have come and gone, a device that hangs holds up all others.",
    edit("workers/copy/segment-shares.ts", "    this.#devices += isThere ? 1 : -1;\n", "    this.#devices += 1;\n"),
  ),
  planted(
    "test/unit/workers/segment-shares.test.ts",
    "a copy does not give back what is its device's own (E-25)",
    "As before.",
    edit("workers/copy/segment-shares.ts", "    else this.#used[share] -= 1;\n", ""),
  ),
  planted(
    "test/unit/workers/export-share.test.ts",
    "buffers do not come back to their export's share (E-28)",
    "After some requests an export's clients wait for ever, beside buffers that are free.",
    edit("workers/export/context.ts", "    share.slots[k] -= 1;\n", "    if (k < 0) share.slots[k] -= 1;\n"),
  ),
  planted(
    "test/unit/workers/export-share.test.ts",
    "records do not come back to their export's share (E-28)",
    "As before.",
    edit(
      "workers/export/context.ts",
      "    share.requests -= 1;\n",
      "    if (request.index < 0) share.requests -= 1;\n",
    ),
  ),
  planted(
    "test/unit/workers/export-share.test.ts",
    "operations do not come back to their export's share (E-28)",
    "As before.",
    edit("workers/export/pieces.ts", "    share.pieces -= 1;\n", "    if (piece.index < 0) share.pieces -= 1;\n"),
  ),
  planted(
    "test/unit/engine/device-files.test.ts",
    "a device's number is used twice",
    "Two volumes write one device.",
    edit("src/engine/device-files.ts", "    while (this.#taken.has(file)) file += 1;\n", ""),
  ),
  planted(
    "test/unit/engine/core-shell.test.ts",
    "a copy is over for its shell with its first answer (E-18)",
    "A volume that has failed gives a device's number back under a write; another volume gets it.",
    edit(
      "src/engine/core-shell.ts",
      "    this.#jobsEnded(bitsIn(ended));",
      "    this.#jobsEnded(ended === 0 ? 0 : 1);",
    ),
  ),
  planted(
    VOLUME_STOP_TEST,
    "the end of a volume does not wait for every worker",
    "Devices are closed under requests.",
    edit("src/engine/volume-stop.ts", "    if (this.#left.size > 0) return;\n", ""),
  ),
];

const CHUNKS = "test/unit/workers/export-chunks.test.ts";

const DIALECTS: readonly Planted[] = [
  planted(
    CHUNKS,
    "an error in the middle of a read ends the stream of every client",
    "A client that could go on after a bad sector loses its connection.",
    edit(
      "workers/export/reply-sender.ts",
      "if (request.error !== 0 && !request.hasChunks) connection.broken = true;",
      "if (request.error !== 0) connection.broken = true;",
    ),
  ),
  planted(
    CHUNKS,
    "a read in one piece announces its first part alone",
    "What follows is out of step.",
    edit(
      "workers/export/reply-sender.ts",
      "const end = request.hasChunks ? request.end : request.last;",
      "const { end } = request;",
    ),
  ),
  planted(
    CHUNKS,
    "the next client in a place speaks as the one before",
    "It gets replies that it cannot read.",
    edit(READER, "    connection.dialect = handshake.dialect;\n", ""),
  ),
  planted(
    "test/unit/nbd/dialect.test.ts",
    "an extended reply names where its request was understood to begin",
    "A request far beyond the end, which a client may send by mistake, ends the thread that reads it.",
    edit(
      "src/nbd/wire/dialect.ts",
      "  view.setInt32(at + 16, to.offsetHigh);\n  view.setInt32(at + 20, to.offsetLow);\n",
      "  writeU64BE(view, at + 16, to.first);\n",
    ),
  ),
];

export const PLANTED: readonly Planted[] = [
  ...THE_FIVE,
  ...ROOM,
  ...GIVES_BACK,
  ...LOOKS_AGAIN,
  ...SHORT,
  ...FLUSHES,
  ...COUNTS,
  ...OF_ANOTHER,
  ...DIALECTS,
];
