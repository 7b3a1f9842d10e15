/**
 * Mutants that live, and may: nobody can see a difference, and why. `npm run mutants` subtracts them, and complains of one that is found after
 * all, or is not there any more.
 *
 * Named by what it is, not by a line's number: the file, the line's text, what stands there instead. "*": any that lives.
 */
export interface Unseen {
  readonly file: string;
  /** The line where the mutant begins, without the spaces around it. */
  readonly line: string;
  readonly instead: string;
  readonly why: string;
}

export const UNSEEN: readonly Unseen[] = [
  {
    file: "src/format/chunk-size.ts",
    line: 'if (chunkSectors > CHUNK_SECTORS_MAX) return "Chunk size is too high";',
    instead: "chunkSectors >= CHUNK_SECTORS_MAX",
    why: "the limit is the kernel's number, and no power of two: a chunk size is never equal to it",
  },
  {
    file: "src/format/metadata-area.ts",
    line: "if (stale) this.bytes.fill(0, slot * EXCEPTION_BYTES);",
    instead: "true",
    why: "zeroes over zeroes: the condition saves the writing, which nobody can see",
  },
  {
    file: "src/format/metadata-area.ts",
    line: "const low = view.getInt32(at, true) | view.getInt32(at + 4, true);",
    instead: "false",
    why: "a word is zero in either order of its bytes",
  },
  {
    file: "src/format/metadata-area.ts",
    line: "if ((low | view.getInt32(at + 8, true) | view.getInt32(at + 12, true)) !== 0) return false;",
    instead: "false",
    why: "a word is zero in either order of its bytes",
  },
  {
    file: "src/format/table-line.ts",
    line: "if (origin === undefined || cow === undefined || type === undefined || chunkText === undefined) {",
    instead: "*",
    why: "where a word is missing so is every one behind it; the others are asked for the compiler",
  },
  {
    file: "src/ring/spsc-ring.ts",
    line: "if (((this.#tail - this.#head) | 0) > this.#mask) {",
    instead: "*",
    why: "the other side's index is loaded earlier than it must be: it costs time, and nothing else",
  },
  {
    file: "src/ring/spsc-ring.ts",
    line: "if (this.#head === this.#tail) {",
    instead: "true",
    why: "likewise",
  },
  {
    file: "src/ring/spsc-ring.ts",
    line: "return Atomics.load(this.words, SLEEPING) === 1 && Atomics.exchange(this.words, SLEEPING, 0) === 1;",
    instead: "true",
    why: "the load saves the exchange, which tells the same",
  },
  {
    file: "src/ring/outbox.ts",
    line: "if (at < 0) at = this.#spill();",
    instead: "at <= 0",
    why: "no message stands at word 0: the ring's own words do",
  },
  {
    file: "src/ring/outbox.ts",
    line: "if (at < 0) break;",
    instead: "at <= 0",
    why: "likewise",
  },
  {
    file: "src/ring/outbox.ts",
    line: "if (moved > 0) this.#overflow.splice(0, moved);",
    instead: "*",
    why: "nothing taken out of the queue is the queue as it was: the condition saves the call",
  },
  {
    file: "src/ring/slots.ts",
    line: 'if (VERIFY) assert(!this.#free[k].subarray(0, this.#freeCount[k]).includes(slot), "a free slot was given back");',
    instead: "true",
    why: "every test has VERIFY on: without it the look is saved, and nothing else",
  },
  {
    file: "src/table/tracking.ts",
    line: "Atomics.load(this.#words, at + WAITING) === 1 &&",
    instead: "true",
    why: "the load saves the exchange, which tells the same",
  },
  {
    file: "src/table/snapshot-words.ts",
    line: "return low > 0 && this.#ends[low - 1]! > first;",
    instead: "*",
    why: "no end stands before the first one, and nothing is not behind a chunk: the condition saves a load outside of the array",
  },
  {
    file: "src/core/allocator.ts",
    line: "if (next % geometry.exceptionsPerArea !== 0) return true;",
    instead: "false",
    why: "a slot amid an area, and a chunk for it: then as many data chunks are on the device that the area is, too",
  },
  {
    file: "src/core/allocator.ts",
    line: "for (const chunk of this.#free) {",
    instead: "*",
    why: "a loop of nothing but asserts",
  },
  {
    file: "src/core/committer.ts",
    line: "if (snapshot.persistent) snapshot.progress.queue.advance();",
    instead: "true",
    why: "the queue of a transient store is empty",
  },
  {
    file: "src/core/committer.ts",
    line: "for (let i = 0; i < count; i++) {",
    instead: "*",
    why: "the one that lives is the loop of #assertImage, of nothing but asserts",
  },
  {
    file: "src/core/committer.ts",
    line: 'assert(pending?.ready === true && !pending.durable, "a group is of what is ready");',
    instead: "pending.ready",
    why: "it throws in either way where the queue is too short",
  },
  {
    file: "src/core/copy-planner.ts",
    line: "readonly #spans: Span[] = [];",
    instead: "*",
    why: "what is put there covers no sectors",
  },
  {
    file: "src/core/copy-planner.ts",
    line: "#mixed = false;",
    instead: "true",
    why: "what is sorted already is sorted: the flag saves the work",
  },
  {
    file: "src/core/copy-planner.ts",
    line: "this.#mixed = false;",
    instead: "true",
    why: "likewise",
  },
  {
    file: "src/core/copy-planner.ts",
    line: "if (this.#mixed) spans.sort((a, b) => a.start - b.start || b.end - a.end);",
    instead: "true",
    why: "likewise",
  },
  {
    file: "src/core/copy-planner.ts",
    line: "if (last !== undefined && last.start > start) this.#mixed = true;",
    instead: "true",
    why: "likewise",
  },
  {
    file: "src/core/copy-planner.ts",
    line: "if (last !== undefined && last.start > start) this.#mixed = true;",
    instead: "last.start >= start",
    why: "likewise",
  },
  {
    file: "src/core/copy-planner.ts",
    line: 'assert(low < high && from + high <= this.#context.originSectors, "what is read lies on the origin");',
    instead: "from - high",
    why: "the assert becomes weaker: every part was cut at the end of the origin before",
  },
  {
    file: "src/core/gates.ts",
    line: 'assert(!(holder instanceof Exclusive) || !holder.granted, "only the first of a queue is alone");',
    instead: "holder instanceof Exclusive",
    why: "the assert becomes weaker: nothing grants a write that is not the first",
  },
  {
    file: "src/core/invalidation.ts",
    line: "if (isOver(snapshot)) return;",
    instead: "false",
    why: "what asks for room of a snapshot that is ending waits for its end: nobody comes here then",
  },
  {
    file: "src/core/merge-step.ts",
    line: "default:",
    instead: "*",
    why: "undefined is as good as false",
  },
  {
    file: "src/core/merge-step.ts",
    line: "return true;",
    instead: "false",
    why: "a job was begun, or the step has ended: nobody else can go on before its answer comes",
  },
  {
    file: "src/core/merge-step.ts",
    line: "if (this.#rangeSet) this.#snapshot.config.ports.words.clearMergeRange();",
    instead: "true",
    why: "to clear a range that is not there changes nothing",
  },
  {
    file: "src/core/merge-window.ts",
    line: "this.#chunk = stretches[0]?.first ?? 0;",
    instead: "stretches[0].first",
    why: "a step has a stretch at least: the question is the compiler's",
  },
  {
    file: "src/core/merge-window.ts",
    line: "return this.#asked.length === 0 && this.#stretch === this.#stretches.length;",
    instead: "true",
    why: "advance, behind which it is asked, stops amid the stretches only where the window is full, which is not empty then",
  },
  {
    file: "src/core/merge-window.ts",
    line: "changed = true;",
    instead: "false",
    why: "nobody else can go on before what was asked for has its answer",
  },
  {
    file: "src/core/merge-window.ts",
    line: "const cut = chunk - (chunk % this.#chunksPerPart) + this.#chunksPerPart;",
    instead: "*",
    why: "the planner cuts copies at the same places: a part says only what is looked at again together",
  },
  {
    file: "src/core/closing.ts",
    line: 'return this.#stage === "done";',
    instead: "*",
    why: "nothing is asked of a volume that is closed",
  },
  {
    file: "src/core/closing.ts",
    line: "get done(): boolean {",
    instead: "*",
    why: "likewise",
  },
  {
    file: "src/core/closing.ts",
    line: "changed = true;",
    instead: "false",
    why: "what is dirty is looked at in any case",
  },
  {
    file: "src/core/closing.ts",
    line: "return true;",
    instead: "false",
    why: "only the answers of the shell are waited for",
  },
  {
    file: "src/core/closing.ts",
    line: "if (this.#copies.underWay > 0) return false;",
    instead: "false",
    why: "each copy is counted by its snapshot as well, or its merge is not idle: a second look, for the end's sake",
  },
  {
    file: "src/core/context.ts",
    line: "if (snapshot.dirty) return;",
    instead: "false",
    why: "a snapshot is looked at twice: nothing is left for the second look",
  },
  {
    file: "src/core/context.ts",
    line: "snapshot.dirty = true;",
    instead: "false",
    why: "likewise",
  },
  {
    file: "src/core/copy-ends.ts",
    line: "if (pending.partsLeft === 0) pending.returned = true;",
    instead: "true",
    why: "only granted writes are asked whether they have come back, and they have one part",
  },
  {
    file: "src/core/copy-jobs.ts",
    line: 'if (VERIFY) assert(!this.#free.includes(id), "a job ends once");',
    instead: "true",
    why: "every test has VERIFY on: without it the look is saved, and nothing else",
  },
  {
    file: "src/core/core.ts",
    line: "if (operations[i]!.done) operations.splice(i--, 1);",
    instead: "*",
    why: "an operation that is done goes on no more: to leave it in the list, or to ask the next one a turn later, changes nothing",
  },
  {
    file: "src/core/core.ts",
    line: "if (VERIFY && (this.#events = (this.#events + 1) % EVENTS_PER_VERIFY) === 0) verifyCore(this.#context, this.#gates);",
    instead: "*",
    why: "nothing but asserts: how often they are looked at",
  },
  {
    file: "src/core/creation.ts",
    line: "default:",
    instead: "*",
    why: "undefined is as good as false",
  },
  {
    file: "src/core/creation.ts",
    line: "return true;",
    instead: "false",
    why: "a job was begun, or the operation has ended: nobody else can go on before an answer comes",
  },
  {
    file: "src/core/area-repair.ts",
    line: "if (!snapshot.geometry.areaFits(area.area, snapshot.store.allocator.cowSectors)) return false;",
    instead: "true",
    why: "a store whose next area is not there has no slot, and nothing to commit that would be held up",
  },
  {
    file: "src/table/table-writer.ts",
    line: "if (leaf !== 0 && hasRoom(header)) {",
    instead: "true",
    why: "the header of no leaf is 0, which has no room",
  },
  {
    file: "src/table/table-writer.ts",
    line: "if (stateBits(b) === EntryState.Settled) return;",
    instead: "false",
    why: "what has settled settles again, into the same words: the condition saves the look at the leaf",
  },
  {
    file: "src/table/table-writer.ts",
    line: "if (VERIFY && this.#count <= VERIFY_EXCEPTIONS_MAX) this.verify();",
    instead: "*",
    why: "a right table is verified or not: the condition says how large a one is walked whole",
  },
  {
    file: "src/table/table-writer.ts",
    line: "if (pending !== undefined && joins) {",
    instead: "true",
    why: "what joins has something before it: the condition is there for the compiler",
  },
  {
    file: "src/table/table-writer.ts",
    line: "for (let group = 0; group < this.#groups; group++) {",
    instead: "group <= this.#groups",
    why: "behind the last group stands nothing, or the tag of the heap's first block: the loop inside has ended it before",
  },
  {
    file: "src/table/table-writer.ts",
    line: "if (group % REGION_GROUPS === 0) {",
    instead: "true",
    why: "between the beginnings of regions the map has no place, which is not 0: the condition saves the look",
  },
  {
    file: "src/table/table-writer.ts",
    line: "while (group < this.#groups && this.#regions[group / REGION_GROUPS] === 0) group += REGION_GROUPS;",
    instead: "true",
    why: "behind its end the map has no place, which is not 0",
  },
  {
    file: "src/table/table-writer.ts",
    line: "while (group < this.#groups && this.#regions[group / REGION_GROUPS] === 0) group += REGION_GROUPS;",
    instead: "group <= this.#groups",
    why: "likewise",
  },
  {
    file: "src/table/leaf-search.ts",
    line: "low += step + 1;",
    instead: "low += step - 1",
    why: "where the search by halves begins: it ends at the same place",
  },
  {
    file: "src/table/leaf-search.ts",
    line: "while (high - step > 0 && offsetOf(Atomics.load(words, leaf + 2 + 2 * (high - step))) > offset) {",
    instead: "high - step >= 0",
    why: "likewise",
  },
  {
    file: "src/table/leaf-search.ts",
    line: "} else {",
    instead: "*",
    why: "likewise: without these steps it begins with all that is sorted",
  },
  {
    file: "src/table/leaf-search.ts",
    line: "if (offsetOf(b) >= nearest) break;",
    instead: "offsetOf(b) > nearest",
    why: "no two entries begin at one place, and what is as near changes nothing",
  },
  {
    file: "src/offline/exception-runs.ts",
    line: "if (count > 0 && old === oldChunk + count && fresh === newChunk + count) {",
    instead: "true",
    why: "before the first exception the run is of none, and what joins it there is the run that would begin",
  },
  {
    file: "src/offline/exception-runs.ts",
    line: "if (count > 0 && old === oldChunk + count && fresh === newChunk + count) {",
    instead: "count >= 0",
    why: "likewise",
  },
  {
    file: "src/offline/create-store.ts",
    line: "if (wanted < cow.sectors && options.force !== true) {",
    instead: "wanted <= cow.sectors",
    why: "one of the same size has been answered before",
  },
  {
    file: "src/offline/image-writer.ts",
    line: 'writeAll(fd, kind === "other" ? null : position, bytes);',
    instead: "true",
    why: "pieces come in order and without gaps: the descriptor's own position is the same",
  },
];
