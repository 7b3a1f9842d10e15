/**
 * Clients that others wrote: those of the system, and where they have been brought (`npm run setup -- --peers`) those of a newer Debian.
 */
import { existsSync } from "node:fs";
import { newerProgram } from "../../bench/newer-programs.ts";

export interface Clients {
  readonly of: string;
  /** What to run for a program of this name. */
  readonly program: (name: string) => string;
}

export const CLIENTS: readonly Clients[] = [
  { of: "the system", program: (name) => name },
  ...(existsSync(newerProgram("nbdinfo")) ? [{ of: "Debian 13", program: newerProgram }] : []),
];
