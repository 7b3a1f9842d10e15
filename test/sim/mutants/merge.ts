/**
 * Mutants of the merge (S-60…S-69, E-30…E-36, C-32…C-39).
 */
import { edit, inLivesWith, mutant, type Mutant } from "./mutant.ts";

const MERGE = "src/core/merge.ts";
const STEP = "src/core/merge-step.ts";
const WINDOW = "src/core/merge-window.ts";

export const MERGE_MUTANTS: readonly Mutant[] = [
  mutant(
    "merge without origin flush (S-63)",
    "The exceptions are gone, the merged data is in a cache.",
    edit(
      STEP,
      `    this.#stage = "wait";
    this.#afterWait = this.#copier!.isWhole ? "erase" : "slice";
    this.#snapshot.channel.start(this, { kind: "flush", snapshot: this.#snapshot.index, device: ORIGIN_DEVICE });`,
      '    this.#stage = this.#copier!.isWhole ? "erase" : "slice";',
    ),
  ),
  inLivesWith(
    ["merges", "limits", "mergeBatches"],
    mutant(
      "a step is erased behind its first slice",
      "The exceptions of the others are gone, and their data was never copied.",
      edit(STEP, 'this.#afterWait = this.#copier!.isWhole ? "erase" : "slice";', 'this.#afterWait = "erase";'),
    ),
  ),
  inLivesWith(
    ["merges", "limits", "mergeBatches"],
    mutant(
      "the last slice of a step is erased without a flush (S-63)",
      "The flush before it says nothing of what has been copied since.",
      edit(
        STEP,
        'if (copier.error === 0) this.#stage = "flush";',
        'if (copier.error === 0) this.#stage = copier.isWhole && this.#afterWait === "slice" ? "erase" : "flush";',
      ),
    ),
  ),
  inLivesWith(
    ["merges", "originFaults", "crashes"],
    mutant(
      "a failed origin flush is no failure",
      "As before, where the disk says so itself.",
      edit(STEP, "if (error !== 0) this.#fail(error);", "if (error !== 0 && this.#written) this.#fail(error);"),
    ),
  ),
  inLivesWith(
    ["merges", "cowFaults", "crashes", "pacedMerges"],
    mutant(
      "a failed erasing write counts as done (S-68)",
      "Memory has forgotten what is on disk: a write to the origin is undone by the next opening.",
      edit(STEP, "if (error !== 0) this.#fail(error);", "if (error !== 0 && !this.#written) this.#fail(error);"),
    ),
  ),
  inLivesWith(
    ["merges", "cowFaults", "crashes", "pacedMerges"],
    mutant(
      "range open to writes after a failed erasing write",
      "A write goes to a COW chunk whose exception may be gone on disk.",
      edit(STEP, "return this.#erasing && this.#error !== 0;", "return false;"),
    ),
  ),
  mutant(
    "a failed copy back counts as done",
    "The exception is erased, the origin never got the data.",
    edit("src/core/merge-copier.ts", "    if (error !== 0) this.#error = error;\n", ""),
  ),
  mutant(
    "range set while writes are in flight (W_RANGE)",
    "The merger copies, the write lands on COW, and is erased.",
    edit(STEP, "    if (!this.#gates.acquire()) return false;\n    this.#snapshot.config", "    this.#snapshot.config"),
  ),
  mutant(
    "range never set",
    "As before, for writes that begin during the copy (W_LOOKUP).",
    edit(STEP, "    this.#snapshot.config.ports.words.setMergeRange(this.#work!.stretches);\n", ""),
  ),
  mutant(
    "only the first stretch of the range is closed to writes",
    "As before, for the others.",
    edit(
      STEP,
      "words.setMergeRange(this.#work!.stretches);",
      "words.setMergeRange(this.#work!.stretches.slice(0, 1));",
    ),
  ),
  mutant(
    "the range ends where the first area's chunks do",
    "A step goes over the border of an area, and its other chunks are open to writes.",
    edit(
      STEP,
      "words.setMergeRange(this.#work!.stretches);",
      "words.setMergeRange(mergeWork(this.#segments.slice(0, 1)).stretches);",
    ),
  ),
  mutant(
    "range cleared before the entries are gone (C-37)",
    "A write finds no range and an exception, and is written where nobody reads.",
    edit(
      STEP,
      "    this.#erasing = true;\n    this.#written = true;",
      "    this.#erasing = true;\n    this.#written = true;\n    this.#snapshot.config.ports.words.clearMergeRange();",
    ),
  ),
  mutant(
    "other snapshots do not keep what the merge overwrites (C-33)",
    "They show the merged data.",
    edit(WINDOW, "    this.#keeper.keepRange(need, sector, sectors);\n", ""),
  ),
  inLivesWith(
    ["merges", "limits"],
    mutant(
      "what a merge has asked for is not looked at again (C-11, C-33)",
      "A need asks for a part of it only: the rest is overwritten, and the other snapshots show the merged data.",
      edit(
        WINDOW,
        "const need = this.#ask(part.sector, part.sectors);",
        "const need = part.sectors < 0 ? this.#ask(part.sector, part.sectors) : undefined;",
      ),
    ),
  ),
  inLivesWith(
    ["merges", "slowClients"],
    mutant(
      "the window of a merge is done when everything has been asked for (C-33)",
      "The origin is overwritten while the old data is still being copied.",
      edit(
        WINDOW,
        "return this.#asked.length === 0 && this.#stretch === this.#stretches.length;",
        "return this.#stretch === this.#stretches.length;",
      ),
    ),
  ),
  inLivesWith(
    ["slowClients", "merges"],
    mutant(
      "merge waits for the commit only, not for tracked reads (W_S2)",
      "A read of the other snapshot, still on its way, gets merged data.",
      edit(
        "src/core/committer.ts",
        "    for (const pending of this.#group) this.#settler.add(pending);\n",
        `    for (const pending of this.#group) {
      this.#context.needs.end(pending.keepers, 0);
      ports.table.settle(pending.oldChunk);
      snapshot.progress.pending.give(pending);
    }
`,
      ),
    ),
  ),
  mutant(
    "merge starts with exceptions that are not committed (W_VIS)",
    "It goes by the list on disk: what is only visible is never merged.",
    edit(
      MERGE,
      "if (!snapshot.progress.isSettled || snapshot.channel.isBusy) return false;",
      "if (snapshot.channel.isBusy) return false;",
    ),
  ),
  mutant(
    "merge left without draining (W_REUSE)",
    "An old request still holds a new chunk that is handed out again.",
    edit(
      MERGE,
      '    if (!this.#gates.acquire()) return false;\n    return this.#register("active");',
      '    this.#gates.acquire();\n    return this.#register("active");',
    ),
  ),
  mutant(
    "the status value of S-64 used for allocation",
    "With holes it lies below chunks in use: they are overwritten.",
    edit(
      "src/core/snapshot-store.ts",
      "this.allocator.restart(area.nextFree(), area.exceptions);",
      "this.allocator.restart(this.mergeNextFree < 0 ? area.nextFree() : this.mergeNextFree, area.exceptions);",
    ),
  ),
  mutant(
    "entries of the wrong end removed",
    "The table forgets the first exceptions, the disk the last ones.",
    edit(STEP, "for (let slot = to - 1; slot >= from; slot--)", "for (let slot = 0; slot < to - from; slot++)"),
  ),
  mutant(
    "one exception too many erased",
    "Its data was not copied back.",
    edit(
      STEP,
      "segment.image.bytes.slice(), segment.from, segment.to)",
      "segment.image.bytes.slice(), Math.max(0, segment.from - 1), segment.to)",
    ),
  ),
  inLivesWith(
    ["merges", "registry", "pacedMerges", "crashes"],
    mutant(
      "that it merges is registered after the first step (E-36)",
      "A cut amid the first step: the origin is half merged, and the next opening serves it raw.",
      edit(MERGE, 'return this.#register("merging");', 'this.#stage = "present";\n    return true;'),
      edit(
        MERGE,
        '      this.#stage = "rest";\n',
        `      this.#stage = "rest";
      const { snapshot } = this;
      const owner = { registered: (): void => void (snapshot.mergeRegistered = true) };
      if (snapshot.config.registered && !snapshot.mergeRegistered) snapshot.register(effects, owner, "merging");
`,
      ),
    ),
  ),
  inLivesWith(
    ["merges", "registry"],
    mutant(
      "that a merge has ended is registered after the origin was handed back (E-43)",
      "A cut between the two: what clients have written to the origin is hidden behind the exceptions that are left.",
      edit(MERGE, 'return this.#register("active");', 'this.#stage = "handing";\n    return true;'),
      edit(
        MERGE,
        '    this.#context.effects.notice(snapshot.index, "merge-stopped", 0);\n',
        `    snapshot.mergeRegistered = false;
    if (snapshot.config.registered) snapshot.register(this.#context.effects, { registered: () => {} }, "active");
    this.#context.effects.notice(snapshot.index, "merge-stopped", 0);
`,
      ),
    ),
  ),
  inLivesWith(
    ["merges", "registry", "crashes"],
    mutant(
      "opened again, a snapshot that merges is not presented (S-83)",
      "Clients see the half merged origin, and write to it.",
      edit(
        "src/core/life-cycle.ts",
        "if (merge === undefined) this.#beginMerge(operation, index, true);",
        'if (merge === undefined) this.#context.effects.finished(operation, 0, "");',
      ),
    ),
  ),
];
