/** Every mutant, in the order in which the test shows them. */
import { COMMIT_MUTANTS } from "./commit.ts";
import { MERGE_MUTANTS } from "./merge.ts";
import type { Mutant } from "./mutant.ts";
import { STORE_MUTANTS } from "./store.ts";

export const MUTANTS: readonly Mutant[] = [...COMMIT_MUTANTS, ...STORE_MUTANTS, ...MERGE_MUTANTS];
