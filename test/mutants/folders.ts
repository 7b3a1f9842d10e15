/**
 * What is mutated, and by what it is to be found: the unit tests that concern a folder, and for what they leave lives of the simulator.
 *
 * Tests that need threads, processes, the built dist/ or a million exceptions are not among them: a mutant is to be found in milliseconds. Nor
 * are lives of the exception table alone (test/sim/table-life.ts): they are stepped through by hooks of their own.
 */
import type { Depth } from "../sim/simulation.ts";

export interface Folder {
  /** Globs of test files. */
  readonly tests: readonly string[];
  /** Of the lives that look at what the unit tests have left. */
  readonly depths: readonly Depth[];
}

export const FOLDERS = {
  "src/format": { tests: ["test/unit/format/**/*.test.ts"], depths: ["core"] },
  "src/ring": { tests: ["test/unit/ring/**/*.test.ts"], depths: ["threads"] },
  "src/table": {
    tests: ["test/unit/table/{bulk-load,edges,group-image,leaf-*,relations,snapshot-words,table*,tracking}.test.ts"],
    depths: ["threads"],
  },
  "src/core": { tests: ["test/unit/core/**/*.test.ts"], depths: ["core"] },
  "workers/export": { tests: ["test/unit/workers/**/*.test.ts"], depths: ["threads"] },
  "src/offline": {
    tests: ["test/unit/offline/**/*.test.ts", "test/unit/register/{cells,register-owner}.test.ts"],
    depths: [],
  },
} as const satisfies Readonly<Record<string, Folder>>;

export type FolderName = keyof typeof FOLDERS;
export const FOLDER_NAMES = Object.keys(FOLDERS) as FolderName[];
