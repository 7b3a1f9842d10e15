/**
 * What people say about files that are not where, or what, the register says (register/tie.ts): the same two words for every command
 * that takes an origin and a store.
 */
import type { Command } from "commander";

export interface WordOptions {
  readonly moved?: boolean;
  readonly unregistered?: boolean;
}

/** Adds --moved and --unregistered; `unregistered` is what the latter means here. */
export function withWords(command: Command, unregistered: string): Command {
  return command
    .option("--moved", "what is at the given paths is what was registered, though it was moved or replaced")
    .option("--unregistered", unregistered);
}

export function wordsOf(options: WordOptions): { readonly moved: boolean; readonly unregistered: boolean } {
  return { moved: options.moved === true, unregistered: options.unregistered === true };
}
