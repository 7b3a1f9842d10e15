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
];
