/**
 * Text from elsewhere (names in a register, paths, process names) made harmless where people read it, and in commands that they paste.
 *
 * A terminal obeys control characters, and so may the one in which a log is read later: colours and titles, lines that are overwritten,
 * answers typed as if by its user. Directional controls show text in another order than it has. All of them are shown as \uXXXX, which
 * is also what JSON calls them: a line of JSON stays the same JSON.
 *
 * It is done where text leaves: by the terminal of the commands (cli/terminal.ts), by the log of the library (engine/safe-log.ts), and by
 * errors, which anybody may print (errno.ts).
 */

/** C0 but for tabulator and line feed, DEL, C1, the line separators, and what Unicode has to turn the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about.
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** As it is, but for what a terminal would obey; lines stay lines. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/** Of one line: also what would begin another one, for that might look like ours. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", escaped("\n"));
}

/** Needs no quotes in any shell. */
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** One argument for a shell, whatever it is; plain names stay as they are. */
export function shellQuoted(text: string): string {
  if (PLAIN.test(text)) return text;
  if (printableLine(text) === text) return `'${text.replaceAll("'", "'\\''")}'`;
  // What is not shown cannot be copied: bash, ksh and zsh read it from this.
  const inside = text.replace(/[\\']/g, "\\$&");
  return `$'${printableLine(inside)}'`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
