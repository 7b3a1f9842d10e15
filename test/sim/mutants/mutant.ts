/**
 * A known-bad change of the product, planted for a run of the simulator: it shows that the simulator can fail.
 *
 * It is a patch to the text of sources as they are loaded (typescript-hooks.mjs), never on disk. A patch whose place has
 * changed is an error, so that no mutant dies in silence. The story says what a user would lose.
 */
import type { Switch } from "../swarm.ts";

export interface Edit {
  /** From the repository's root. */
  readonly file: string;
  /** Exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  readonly story: string;
  readonly edits: readonly Edit[];
  /** What its lives have in any case: where it hides in a corner, lives that come there. */
  readonly having: readonly Switch[];
}

/** The same mutant, in lives that have these things. */
export function inLivesWith(having: readonly Switch[], one: Mutant): Mutant {
  return { ...one, having };
}

export function mutant(name: string, story: string, ...edits: readonly Edit[]): Mutant {
  return { name, story, edits, having: [] };
}

export function edit(file: string, find: string, replace: string): Edit {
  return { file, find, replace };
}
