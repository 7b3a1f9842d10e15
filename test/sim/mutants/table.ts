/**
 * Mutants of the exception table's protocol between writer and readers (C-2, C-3, C-26), for lives of depth T.
 */
import { edit, mutant, type Edit, type Mutant } from "./mutant.ts";

const READER = "src/table/table-reader.ts";
const WRITER = "src/table/table-writer.ts";
const HEAP = "src/table/leaf-heap.ts";

/** Small numbers, so that memory is used again, and grows, all the time. Part of every life of depth T. */
export const TABLE_SCALE: readonly Edit[] = [
  edit("src/base/constants.ts", "TABLE_QUARANTINE_LEAVES = 256;", "TABLE_QUARANTINE_LEAVES = 1;"),
  edit(HEAP, "const GROW_MIN_BYTES = 256 * 1024;", "const GROW_MIN_BYTES = 512;"),
];

const LOOKUP = "if (state !== LOST && Atomics.load(this.#words, TGEN_WORD) === generation) return state as EntryState;";

export const TABLE_MUTANTS: readonly Mutant[] = [
  mutant(
    "memory that has grown is not looked for (W_NOCHECK)",
    "The reader does not know the memory that an index points into.",
    edit(READER, "if (leaf + LEAF_REACH > this.#words.length) this.#words = viewOf(this.#memory);", ""),
  ),
  mutant(
    "the generation is not looked at again (W_NORECHECK)",
    "The leaf has become somebody else's while it was searched.",
    edit(READER, LOOKUP, "if (state !== LOST && generation !== -1) return state as EntryState;"),
  ),
  mutant(
    "the generation is not looked at again by an origin write (W_NORECHECK)",
    "A chunk counts as settled by the words of another leaf.",
    edit(
      READER,
      "if (Atomics.load(this.#words, TGEN_WORD) === generation) return settled;",
      "if (generation !== -1) return settled;",
    ),
  ),
  mutant(
    "a generation that is a parity (W_PARITY)",
    "Two steps of it look like none.",
    edit(
      HEAP,
      "Atomics.add(this.words, TGEN_WORD, 1);",
      "Atomics.store(this.words, TGEN_WORD, 1 - Atomics.load(this.words, TGEN_WORD));",
    ),
  ),
  mutant(
    "a leaf is rebuilt in place (W_INPLACE)",
    "A reader falls into it half-way.",
    edit(
      WRITER,
      "const leaf = this.#heap.allocate(this.#image.leafWords());",
      `const leafWords = this.#image.leafWords();
    const fits = old !== 0 && !isDirect(this.#heap.words[old]) && leafWords <= 1 + 2 * capacityOf(this.#heap.words[old]);
    if (fits) return this.#image.put(this.#heap.words, old);
    const leaf = this.#heap.allocate(leafWords);`,
    ),
  ),
  mutant(
    "the generation never steps",
    "No reader notices that memory is used again.",
    edit(HEAP, "    Atomics.add(this.words, TGEN_WORD, 1);\n", ""),
  ),
  mutant(
    "a leaf is free as soon as it is replaced",
    "Readers are inside.",
    edit(HEAP, "this.#quarantine[this.#quarantined++] = leaf - 1;", "this.#free(leaf - 1);"),
  ),
  mutant(
    "the directory points to a leaf that is not filled",
    "A reader finds what the memory held before.",
    edit(
      WRITER,
      "    this.#image.put(this.#heap.words, leaf);\n    this.#replace(group, old, leaf);",
      "    this.#replace(group, old, leaf);\n    this.#image.put(this.#heap.words, leaf);",
    ),
  ),
  mutant(
    "an entry is counted before it is filled (C-22)",
    "The reader takes what the place held before.",
    edit(
      WRITER,
      "      Atomics.store(words, leaf + 1 + 2 * used, lowWord(newChunk));\n      Atomics.store(words, leaf + 2 + 2 * used,",
      `      Atomics.store(words, leaf, packHeader(false, used + 1, sortedOf(header), capacityOf(header)));
      Atomics.store(words, leaf + 1 + 2 * used, lowWord(newChunk));
      Atomics.store(words, leaf + 2 + 2 * used,`,
    ),
  ),
  mutant(
    "an entry of a direct leaf is live before its new chunk is there",
    "The read goes to the header, or to somebody else's chunk.",
    edit(
      WRITER,
      `      Atomics.store(words, leaf + 1 + 2 * offset, lowWord(newChunk));
      // Publish after fill: a reader takes A only after it has seen a live B.
      Atomics.store(words, leaf + 2 + 2 * offset, packEntry(state, offset, 1, newChunk));`,
      `      Atomics.store(words, leaf + 2 + 2 * offset, packEntry(state, offset, 1, newChunk));
      Atomics.store(words, leaf + 1 + 2 * offset, lowWord(newChunk));`,
    ),
  ),
  mutant(
    "an entry is not looked at again after it was found",
    "It went away between two loads, and its rest is taken for a mapping.",
    edit(READER, "    if (!covers(b, offset)) return LOST;\n", ""),
  ),
];
