/** A planted mistake: the text of a file, changed at one place as it is loaded; the file itself is never touched. */
import type { Edit } from "../sim/mutants/mutant.ts";

/** Undefined: no edit concerns the file. Throws where the place has changed, so that no mistake is planted into nothing. */
export function planted(text: string, path: string, edits: readonly Edit[]): string | undefined {
  const mine = edits.filter(({ file }) => path.endsWith(`/${file}`));
  return mine.length === 0 ? undefined : mine.reduce(edited, text);
}

function edited(text: string, { file, find, replace }: Edit): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${file} has what is planted ${parts.length - 1} times: ${find}`);
  return parts.join(replace);
}
