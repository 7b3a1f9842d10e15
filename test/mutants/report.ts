/**
 * What Stryker says of its mutants (its JSON report), as verdicts: found, alive, listed as unseen, or none at all.
 *
 *   Killed, Timeout         found: a test failed, or never ended
 *   Survived, NoCoverage    alive
 *   CompileError, RuntimeError, Ignored, Pending   no mutant: it does not even run
 *
 * Those that only weaken an assert (weakened.ts) are known as such, whatever the tests say of them.
 */
import { readFileSync } from "node:fs";
import { UNSEEN, type Unseen } from "./unseen.ts";
import { Weakened } from "./weakened.ts";

interface Place {
  readonly line: number;
  readonly column: number;
}

interface ReportedMutant {
  readonly mutatorName: string;
  readonly replacement: string;
  readonly location: { readonly start: Place; readonly end: Place };
  readonly status: string;
}

interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly ReportedMutant[] }>>;
}

export interface Mutant {
  readonly file: string;
  readonly mutator: string;
  readonly start: Place;
  readonly end: Place;
  /** The line where it begins, without the spaces around it. */
  readonly line: string;
  /** The line that opens the block around that: the nearest one above that is indented less. */
  readonly within: string;
  readonly original: string;
  readonly replacement: string;
  readonly found: boolean;
  /** It only weakens an assert: no mutant that counts. */
  readonly weakens: boolean;
}

export function readReport(path: string): Mutant[] {
  const { files } = JSON.parse(readFileSync(path, "utf8")) as Report;
  return Object.entries(files).flatMap(([file, { source, mutants }]) => {
    const lines = source.split("\n");
    const weakened = new Weakened(source);
    return mutants.flatMap((mutant) => asMutant(file, lines, weakened, mutant) ?? []);
  });
}

function asMutant(
  file: string,
  lines: readonly string[],
  weakened: Weakened,
  mutant: ReportedMutant,
): Mutant | undefined {
  const { mutatorName: mutator, replacement, status, location } = mutant;
  const found = status === "Killed" || status === "Timeout";
  if (!found && status !== "Survived" && status !== "NoCoverage") return undefined;
  const { start, end } = location;
  const original = textBetween(lines, start, end);
  const weakens = weakened.has(start, end, replacement);
  const line = lines[start.line - 1]!.trim();
  const within = blockOf(lines, start.line - 1);
  return { file, mutator, start, end, line, within, original, replacement, found, weakens };
}

/** The line that opens the block around one, by its index. */
export function blockOf(lines: readonly string[], at: number): string {
  const indent = indentOf(lines[at]!);
  const above = lines.slice(0, at).findLast((line) => line.trim() !== "" && indentOf(line) < indent);
  return above?.trim() ?? "";
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function textBetween(lines: readonly string[], start: Place, end: Place): string {
  const part = lines.slice(start.line - 1, end.line);
  part[part.length - 1] = part.at(-1)!.slice(0, end.column - 1);
  part[0] = part[0]!.slice(start.column - 1);
  return part.join("\n");
}

/** One mutant of two runs, whose numbers differ. */
export function keyOf({ file, start, end, mutator, replacement }: Mutant): string {
  return `${file} ${start.line}:${start.column} ${end.line}:${end.column} ${mutator} ${replacement}`;
}

export function unseenOf(mutant: Mutant, list: readonly Unseen[] = UNSEEN): Unseen | undefined {
  const instead = oneLine(mutant.replacement);
  return list.find(
    (one) =>
      one.file === mutant.file &&
      one.line === mutant.line &&
      (one.within ?? mutant.within) === mutant.within &&
      (one.instead === "*" || oneLine(one.instead) === instead),
  );
}

/** As a person reads it. */
export function described({ file, start, mutator, original, replacement }: Mutant): string {
  return `${file}:${start.line}:${start.column}  ${mutator}: ${oneLine(original)} → ${oneLine(replacement)}`;
}

export function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 100 ? `${line.slice(0, 97)}…` : line;
}
