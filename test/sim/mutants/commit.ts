/**
 * Mutants of visibility, commits and settling (S-50…S-57, C-20…C-24).
 */
import { edit, inLivesWith, mutant, type Mutant } from "./mutant.ts";

const COMMITTER = "src/core/committer.ts";
const SETTLER = "src/core/settler.ts";
const SHELL = "test/support/core/fake-shell.ts";

export const COMMIT_MUTANTS: readonly Mutant[] = [
  mutant(
    "origin write released before the commit",
    "An entry counts as settled once it is visible: the origin write overtakes the exception, a cut loses the old data.",
    edit(COMMITTER, "pending.newChunk, EntryState.Visible)", "pending.newChunk, EntryState.Settled)"),
    edit(SETTLER, "      table.settle(pending.oldChunk);\n", ""),
  ),
  mutant(
    "no flush before an area write (M_NOFLUSH)",
    "The exception is on disk, its data is not (S-82).",
    edit(SHELL, "[...zero, () => disk.flush(), ...durableWrite", "[...zero, ...durableWrite"),
  ),
  mutant(
    "area written without FUA",
    "The commit is reported, and a cut takes it back.",
    edit(SHELL, "...durableWrite(disk, job.position, bytes)]", "() => disk.write(job.position, bytes)]"),
  ),
  mutant(
    "next area not zeroed",
    "Stale bytes behind a full area come to life as exceptions (S-53a).",
    edit(COMMITTER, "zeroArea: fills ? area.area + 1 : -1", "zeroArea: -1"),
  ),
  mutant(
    "next area zeroed only after the area is full on disk",
    "Between the two a cut leaves a full area with garbage behind it (S-5).",
    edit(
      SHELL,
      "const parts = [...zero, () => disk.flush(), ...durableWrite(disk, job.position, bytes)];",
      "const parts = [() => disk.flush(), ...durableWrite(disk, job.position, bytes), ...zero];",
    ),
  ),
  mutant(
    "commit out of order, over a hole (S-41)",
    "A copy that has ended takes those before it along, which have not.",
    edit(
      "src/core/commit-queue.ts",
      "while (this.#firstUnready?.ready === true) {",
      "while (this.#firstUnready !== null) {",
    ),
  ),
  mutant(
    "flush answered before its exceptions are durable (W_FLUSH)",
    "The client may forget what a cut then takes away.",
    edit(COMMITTER, "if (!isAfter(sequence, progress.durable)) return;", "if (!Number.isNaN(sequence)) return;"),
  ),
  mutant(
    "durSeq stored when the commit is sent",
    "A worker flushes the device alone, before the area is on it.",
    edit(
      COMMITTER,
      "      position: write.position,\n      bytes: write.bytes,\n    });",
      "      position: write.position,\n      bytes: write.bytes,\n    });\n    snapshot.config.ports.words.setDurable(progress.visible);",
    ),
  ),
  mutant(
    "visSeq counts without gaps (W_PREFIX)",
    "Exception 2 is visible and acknowledged while 1 is still copying; a flush finds nothing to commit.",
    edit(
      COMMITTER,
      "if (isAfter(pending.sequence, progress.visible)) {",
      "if (pending.sequence === progress.visible + 1) {",
    ),
  ),
  mutant(
    "area buffer changed in flight (W_LIVE, S-54)",
    "An exception that came after the flush reaches the disk with the write under way, before its data.",
    edit(SHELL, "const bytes = job.bytes.slice();", "const { bytes } = job;"),
    edit(
      COMMITTER,
      "if (snapshot.persistent) snapshot.progress.queue.advance();",
      `if (snapshot.persistent) {
        const { queue } = snapshot.progress;
        queue.advance();
        for (let i = 0, p = queue.head; i < Math.min(queue.ready, snapshot.store.area!.room); i++) {
          snapshot.store.area!.put(i, p!.oldChunk, p!.newChunk);
          p = p!.nextInQueue;
        }
      }`,
    ),
  ),
  inLivesWith(
    ["slowClients"],
    mutant(
      "tracked reads ignored (M_TRACK)",
      "A read of the snapshot that is on its way to the origin gets the new data.",
      edit(SETTLER, "if (tracking.readers(bucket, quiet) === 0) return true;", "return true;"),
    ),
  ),
  inLivesWith(
    ["slowClients"],
    mutant(
      "only one of the two counters waited for (W_OLD)",
      "A reader that loaded the parity two flips ago is missed.",
      edit(
        SETTLER,
        "if (!isDrained(snapshot, bucket)) return;",
        "if (buckets.phase[bucket] === DrainPhase.BeforeFlip && !isDrained(snapshot, bucket)) return;",
      ),
    ),
  ),
  inLivesWith(
    ["sieges"],
    mutant(
      "one counter of tracked reads (W_ONE)",
      "Readers of other chunks hold it above zero for ever, and the origin write waits.",
      edit(SETTLER, "const quiet = 1 - tracking.parity(bucket);", "const quiet = tracking.parity(bucket);"),
      edit(SETTLER, "        tracking.flip(bucket);\n", ""),
    ),
  ),
  inLivesWith(
    ["chases", "slowClients", "cowFaults"],
    mutant(
      "a read does not look at the state after its I/O (W_INV, C-4)",
      "The copy has failed, the origin write goes on (E-15), and the read shows its data as the snapshot's.",
      edit(
        "test/support/core/fake-client.ts",
        "const invalid = (ports.state as SnapshotState) === SnapshotState.Invalid;",
        "const invalid = false;",
      ),
    ),
  ),
  mutant(
    "settled when visible, without a commit, where nobody waits",
    "Lazily published entries count as settled after the drain alone (W_SETTLE turned round).",
    edit(
      COMMITTER,
      "    pending.visible = true;\n",
      "    pending.visible = true;\n    ports.table.settle(pending.oldChunk);\n",
    ),
    edit(SETTLER, "      table.settle(pending.oldChunk);\n", ""),
  ),
  mutant(
    "a failed commit counts as done (S-53b)",
    "The disk has refused the area, and the origin is overwritten all the same.",
    edit(COMMITTER, "    if (error !== 0) {", "    if (error < 0) {"),
  ),
  mutant(
    "a failed copy counts as done (S-50)",
    "The exception points to what the COW device had there before.",
    edit("src/core/copy-ends.ts", "    if (error !== 0) {", "    if (error < 0) {"),
  ),
  mutant(
    "a group one exception too long in the books",
    "The next group leaves a slot out: an end marker in the middle of the list.",
    edit(
      "src/core/area-image.ts",
      "    this.#committed += count;",
      "    this.#committed += Math.min(count === 2 ? 3 : count, this.room);",
    ),
  ),
];
