/** Every mutant, by the depth of the lives that are to find it, in the order in which the test shows them. */
import type { Depth } from "../simulation.ts";
import { COMMIT_MUTANTS } from "./commit.ts";
import { MERGE_MUTANTS } from "./merge.ts";
import type { Mutant } from "./mutant.ts";
import { STORE_MUTANTS } from "./store.ts";
import { TABLE_MUTANTS } from "./table.ts";
import { VOLUME_MUTANTS } from "./volumes.ts";
import { WORKER_MUTANTS } from "./workers.ts";

/** The lives of simulation.ts, and those of the table alone. */
export type Level = Depth | "table";

export const MUTANTS: Readonly<Record<Level, readonly Mutant[]>> = {
  core: [...COMMIT_MUTANTS, ...STORE_MUTANTS, ...MERGE_MUTANTS],
  threads: WORKER_MUTANTS,
  volumes: VOLUME_MUTANTS,
  table: TABLE_MUTANTS,
};
