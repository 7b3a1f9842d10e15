/**
 * Mutants of the workers' loops, the rings and the shell (C-1…C-14, C-39, S-53, S-56), for lives of depth B.
 */
import { edit, inLivesWith, mutant, type Mutant } from "./mutant.ts";

const SETTLED = "workers/export/settled.ts";
const NEEDS = "workers/export/needs.ts";
const ORIGIN = "workers/export/origin-handler.ts";
const SNAPSHOT = "workers/export/snapshot-handler.ts";
const MERGING = "workers/export/merging-handler.ts";
const WORDS = "src/table/snapshot-words.ts";
const PIECES = "workers/export/pieces.ts";
const COPY = "workers/copy/copy-loop.ts";
const SENDER = "src/engine/metadata-sender.ts";
const SHELL = "src/engine/core-shell.ts";

export const WORKER_MUTANTS: readonly Mutant[] = [
  mutant(
    "a worker writes the origin on visible (W_SETTLE)",
    "The exception is not on disk yet, or a read is still on its way to the origin.",
    edit(
      SETTLED,
      "if (!snapshot.table.allSettled(first, chunks)) return false;",
      "for (let i = 0; i < chunks; i++) if (snapshot.table.lookup(first + i, 1) === 0) return false;",
    ),
  ),
  inLivesWith(
    ["chases", "slowClients", "crashes"],
    mutant(
      "a worker writes the origin on durable (W_SETTLE)",
      "The exception is on disk, and a read is still on its way to the origin.",
      edit("src/core/settler.ts", "if (tracking.readers(bucket, quiet) === 0) return true;", "return true;"),
    ),
  ),
  inLivesWith(
    ["chases", "slowClients", "cowFaults"],
    mutant(
      "a worker does not look at the state after a read (W_INV, C-4)",
      "The copy has failed, the origin write goes on (E-15), and the read shows its data as the snapshot's.",
      edit(
        SNAPSHOT,
        "    const gone = this.#isGone();\n    this.#untrack(piece);",
        "    const gone = false;\n    this.#untrack(piece);",
      ),
    ),
  ),
  mutant(
    "a write that waits at main stays announced (W_WAITHELD, C-11)",
    "Creation waits for it, and it waits behind the creation.",
    edit(
      NEEDS,
      "  context.leave(piece);\n  piece.moveTo(Stage.Main);\n  const sector",
      "  piece.moveTo(Stage.Main);\n  const sector",
    ),
  ),
  inLivesWith(
    ["directBlocks"],
    mutant(
      "parts of blocks are written beside each other",
      "Two writes read the same block, and each puts back what the other has changed.",
      edit(
        ORIGIN,
        "if (!aligned && !piece.announcement.exclusive) return needExclusive(context, piece);",
        "if (!aligned && piece.step < 0) return needExclusive(context, piece);",
      ),
    ),
  ),
  inLivesWith(
    ["directBlocks"],
    mutant(
      "what stands around a part of a block is not read",
      "Its neighbours get what the memory held.",
      edit(
        "workers/export/piece-io.ts",
        "    if (before > 0) ring.copy(piece.memory - before, scratch, before);\n",
        "",
      ),
    ),
  ),
  inLivesWith(
    ["readOnlyExports", "zeroes"],
    mutant(
      "a read-only export takes zeroes (E-44)",
      "Its clients were not to write.",
      edit(
        "src/nbd/wire/validate.ts",
        "    case Command.WriteZeroes:\n      if (readOnly) return errno.EPERM;\n",
        "    case Command.WriteZeroes:\n",
      ),
    ),
  ),
  inLivesWith(
    ["passdown", "zeroes", "largeRequests"],
    mutant(
      "a discard that is passed down reaches past its end (E-12)",
      "What the client did not discard is gone.",
      edit(
        "workers/export/piece-io.ts",
        "const to = alignDown(transfer.position + piece.length, PAGE_BYTES);",
        "const to = alignUp(transfer.position + piece.length, PAGE_BYTES);",
      ),
    ),
  ),
  inLivesWith(
    ["zeroes", "severalSnapshots", "largeRequests"],
    mutant(
      "a trim passes on what a snapshot still needs (E-19)",
      "The old data is gone, and the snapshot reads zeroes.",
      edit(ORIGIN, "    piece.length = settledStretch(volume, piece.offset, piece.length);\n", ""),
    ),
  ),
  inLivesWith(
    ["zeroes", "severalSnapshots", "largeRequests"],
    mutant(
      "a trim that is to preserve waits for nothing (E-16)",
      "The old data is gone, and the snapshot reads zeroes.",
      edit(ORIGIN, "if (!settledEverywhere(volume,", "if (piece.kind !== PieceKind.Trim && !settledEverywhere(volume,"),
    ),
  ),
  mutant(
    "an origin write looks before it announces itself (W_GEN)",
    "Creation drains, the write has found no snapshot, and goes on.",
    edit(
      ORIGIN,
      "    if (!context.enter(piece, volume.originWritePass, ORIGIN_WRITE_GATE)) return;\n    const merging",
      "    const merging",
    ),
  ),
  mutant(
    "being released is permission to write (W_BLIND)",
    "A snapshot that was made meanwhile is overlooked.",
    edit(
      ORIGIN,
      "    if (!settledEverywhere(volume, piece.offset, piece.length)) return this.#firstWrite.keep(piece);\n    const aligned",
      `    if (piece.step !== 77 && !settledEverywhere(volume, piece.offset, piece.length)) {
      piece.step = 77;
      return this.#firstWrite.keep(piece);
    }
    const aligned`,
    ),
  ),
  mutant(
    "FUA on the origin without FUA",
    "It is acknowledged, and in a cache.",
    edit(
      ORIGIN,
      "this.#io.write(piece, origin, piece.offset, piece.durability);",
      "this.#io.write(piece, origin, piece.offset, 0);",
    ),
  ),
  inLivesWith(
    ["slowClients", "sieges"],
    mutant(
      "a read of the origin that is not tracked (C-1)",
      "The settler sees nobody, the origin is overwritten, the read gets the new data.",
      edit(SNAPSHOT, "if (this.#track(piece, first)) return", "if (first >= 0) return"),
    ),
  ),
  inLivesWith(
    ["drops"],
    mutant(
      "nobody tells main that a bucket has drained (W_NONE, C-5)",
      "The origin write waits for ever.",
      edit(SNAPSHOT, "if ((drained & 1) === 0) continue;", "if (drained !== 0) continue;"),
    ),
  ),
  mutant(
    "a flush without a flush of the device (W_PIGGY)",
    "What was written since the last commit is in a cache.",
    edit(SNAPSHOT, "this.#io.sync(piece, this.#snapshot.cow.file);", "this.#finish(piece, 0);"),
  ),
  mutant(
    "a flush by the worker alone (W_FLUSH)",
    "The data is on the device, its exception is not.",
    edit(SNAPSHOT, "if (!words.isDurable(visible)) {", "if (piece.step < 0 && !words.isDurable(visible)) {"),
  ),
  inLivesWith(
    ["fua"],
    mutant(
      "FUA without its exception (C-14)",
      "As before.",
      edit(PIECES, "return snapshot ? PieceKind.Durable : null;", "return null;"),
    ),
  ),
  inLivesWith(
    ["merges"],
    mutant(
      "a write on the merging volume does not look at the range (W_LOOKUP)",
      "It lands on COW behind the copy, and is erased.",
      edit(MERGING, "if (inMergeRange(snapshot, piece)) {", "if (piece.length < 0 && inMergeRange(snapshot, piece)) {"),
    ),
  ),
  inLivesWith(
    ["merges"],
    mutant(
      "a write that waited at the gate does not look at the range, which was stored meanwhile",
      "As before: the set was looked at once, too early.",
      edit(
        ORIGIN,
        "    if (!context.enter(piece, volume.originWritePass, ORIGIN_WRITE_GATE)) return;\n    const merging",
        `    if (!context.enter(piece, volume.originWritePass, ORIGIN_WRITE_GATE)) {
      piece.step = 77;
      return;
    }
    const merging`,
      ),
      edit(
        MERGING,
        "if (inMergeRange(snapshot, piece)) {",
        "if (piece.step !== 77 && inMergeRange(snapshot, piece)) {",
      ),
    ),
  ),
  inLivesWith(
    ["merges", "mergeBatches"],
    mutant(
      "a write looks at the first stretch of the range only",
      "As before, for chunks in the others.",
      edit(WORDS, "return low > 0 && this.#ends[low - 1]! > first;", "return low === 1 && this.#ends[0]! > first;"),
    ),
  ),
  inLivesWith(
    ["merges"],
    mutant(
      "a queued write stays announced (W_KEEP)",
      "The merger waits for it, it waits for the merger.",
      edit(MERGING, "      context.leave(piece);\n      piece.moveTo(Stage.Main);", "      piece.moveTo(Stage.Main);"),
    ),
  ),
  mutant(
    "unmapped writes on the merging volume ask no other snapshot (E-30)",
    "The other snapshots show what was written to the merging volume.",
    edit(MERGING, "if (!mapped && !settledEverywhere(", "if (piece.length < 0 && !settledEverywhere("),
  ),
  mutant(
    "nobody tells main that a gate is empty",
    "Creation, merge and drop wait for ever.",
    edit(
      "workers/export/context.ts",
      "if (announcement.leave()) this.#tellDrained(piece.volume, announcement.gate);",
      "announcement.leave();",
    ),
  ),
  mutant(
    "a message does not wake who sleeps (W_NONE)",
    "It lies in the ring until something else comes.",
    edit(
      "src/ring/spsc-ring.ts",
      "return Atomics.load(this.words, SLEEPING) === 1 && Atomics.exchange(this.words, SLEEPING, 0) === 1;",
      "return false;",
    ),
  ),
  mutant(
    "chunks in reserve outlive their epoch",
    "A merge has handed them out anew.",
    edit(
      "workers/export/chunk-reserve.ts",
      "    if (epoch !== this.#epoch) this.#chunks.length = 0;\n    return",
      "    return",
    ),
  ),
  mutant(
    "the rest of a chunk is not filled from the origin (E-5)",
    "It shows what the slot had before.",
    edit(
      "workers/export/chunk-fill.ts",
      "const to = end === exists ? alignUp(within, align) : exists;",
      "const to = alignUp(within, align);",
    ),
  ),
  mutant(
    "a short write of a client counts as whole",
    "Its end is not on the device.",
    edit(
      "workers/export/piece-io.ts",
      "    const before = transfer.position % device.align;\n    if (transfer.progress >= before + piece.length) return true;",
      "    const before = transfer.position % device.align;\n    if (transfer.progress >= before) return true;",
    ),
  ),
  mutant(
    "a short read of a copy counts as whole",
    "The exception has what the slot had before.",
    edit(COPY, "    if (result > 0 && !segment.isRead) return this.#submitRead(segment);\n", ""),
  ),
  mutant(
    "a target of a copy is told before its write has ended (E-18)",
    "The exception is published and committed, and its data is still on its way.",
    edit(
      COPY,
      "      if (result > 0) this.#submitWrite(segment, t);\n",
      "      if (result > 0) this.#submitWrite(segment, t), this.#targetDone(segment, t);\n",
    ),
    edit(
      COPY,
      "    this.#targetDone(segment, target);\n    if (segment.writes === 0)",
      "    if (segment.writes === 0)",
    ),
  ),
  mutant(
    "a target of a copy has ended when the first one has (E-18)",
    "As before, for a snapshot whose device is slower than another's.",
    edit("workers/copy/copy-answers.ts", "const fresh = job.ended & ~job.told;", "const fresh = job.all & ~job.told;"),
    edit("workers/copy/copy-answers.ts", "    job.told = job.ended;\n", "    job.told = job.all;\n"),
    edit(
      "workers/copy/copy-answers.ts",
      "return underWay === 0 || ",
      "if (job.told !== 0) return false;\n    return underWay !== -1 || ",
    ),
  ),
  mutant(
    "a segment is given back when its first target has ended (E-18)",
    "The next copy reads into it what another device is still to write.",
    edit(
      COPY,
      "    this.#targetDone(segment, target);\n    if (segment.writes === 0) this.#segmentDone(segment);",
      "    this.#targetDone(segment, target);\n    if (segment.job === job) this.#segmentDone(segment);",
    ),
    edit("workers/copy/copy-segment.ts", 'assert(this.writes === 0, "a slot was given back under a write");', ""),
  ),
  mutant(
    "a short write of a copy counts as whole",
    "The end of the chunk is what the COW device had before.",
    edit(
      COPY,
      "      if (segment.done[target] < segment.overlap(target)) return this.#submitWrite(segment, target);\n",
      "",
    ),
  ),
  mutant(
    "steps of a metadata job not linked (S-53)",
    "The area is written before the flush, or before the next area is zeroed.",
    edit("workers/metadata/metadata-loop.ts", "      if (pushed > 0) this.submissions.link();\n", ""),
  ),
  mutant(
    "no flush before an area write, in the sender (M_NOFLUSH)",
    "The exception is on disk, its data is not (S-82).",
    edit(SENDER, "return [...zero, FLUSH, ...this.#write(", "return [...zero, ...this.#write("),
  ),
  mutant(
    "headers and areas written without FUA, in the sender",
    "A commit or a drop is reported, and a cut takes it back.",
    edit(SENDER, "bytes: part.length, address, durable: true }", "bytes: part.length, address, durable: false }"),
  ),
  mutant(
    "the header of a drop written without FUA, in the sender (M_DROP, S-70)",
    "An origin write goes on, and a cut brings back a valid snapshot that misses its old data.",
    edit(
      SENDER,
      'case "header":\n        return this.#write(0, job.header, slots);',
      'case "header":\n        return this.#write(0, job.header, slots).map((step) => ({ ...step, durable: false }));',
    ),
  ),
  mutant(
    "a new store's header written before its area is zeroed, in the sender (S-31)",
    "A cut between the two leaves a valid store whose area holds what was there before.",
    edit(
      SENDER,
      "return [zeroStep(0, 2 * job.chunkBytes), FLUSH, ...this.#write(0, job.header, slots)];",
      "return [...this.#write(0, job.header, slots), zeroStep(job.chunkBytes, job.chunkBytes)];",
    ),
  ),
  mutant(
    "the next area zeroed after the one that fills up is written, in the sender (S-53)",
    "A cut between the two leaves a full area, behind which stale bytes are taken for exceptions.",
    edit(
      SENDER,
      "return [...zero, FLUSH, ...this.#write(job.position, job.bytes, slots)];",
      "return [FLUSH, ...this.#write(job.position, job.bytes, slots), ...zero];",
    ),
  ),
  mutant(
    "the image of a commit is sent without a copy (S-54)",
    "All commits share one slot: a later one changes the bytes under an earlier one.",
    edit(SENDER, "    this.#free.push(...sent.slots);\n", "    void sent.slots;\n"),
    edit(SENDER, "const slot = this.#free.pop();", "const slot = this.#free.at(-1);"),
  ),
  inLivesWith(
    ["fills", "cowFaults"],
    mutant(
      "the shell loses the error of a granted write (E-9)",
      "The exception is published, its data never arrived.",
      edit(SHELL, "Written.chunk.get(words, at), Written.error.get(words, at));", "Written.chunk.get(words, at), 0);"),
    ),
  ),
  mutant(
    "the shell loses the errors of copies (S-50)",
    "As before, for copies.",
    edit(
      SHELL,
      "this.core.copied(tokenOf(words, at), ended, readError, failed, Copied.writeError.get(words, at));",
      "this.core.copied(tokenOf(words, at), ended, 0 * readError, 0 * failed, 0);",
    ),
  ),
];
