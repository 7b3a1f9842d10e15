/**
 * Advice that names options: in the words of whoever reads it. A program that calls the library gives `moved: true`, a person at the command
 * line writes `--moved`; an error carries both, made at one place.
 *
 *   hint: advice`is it the right one? Say ${say.moved}`
 *     SnapringError.hint             say `moved: true`       the library's
 *     commandHint(error)             say `--moved`           what the command line prints
 */
import { shellQuoted } from "./printable.ts";

export interface Advice {
  readonly library: string;
  readonly command: string;
}

/** A template whose values are plain text, or advice themselves. */
export function advice(texts: TemplateStringsArray, ...values: readonly (string | number | Advice)[]): Advice {
  const fill = (reader: keyof Advice): string =>
    texts.map((text, i) => `${text}${i < values.length ? wordOf(values[i], reader) : ""}`).join("");
  return { library: fill("library"), command: fill("command") };
}

/** The options that errors speak of. */
export const say = {
  moved: { library: "moved: true", command: "--moved" },
  unregistered: { library: "unregistered: true", command: "--unregistered" },
  unlocked: { library: "unlocked: true", command: "--unlocked" },
  noMerge: { library: "noMerge: true", command: "--no-merge" },
  direct: { library: "direct: true", command: "--direct" },
  uring: { library: 'io: "uring"', command: "--io uring" },
  size: { library: "size: BYTES", command: "size=SIZE" },
  /** Where the library has an option of `createSnapshot`. */
  force: { library: "force: true makes", command: "snapring create --force makes" },
  abandon: (name: string): Advice => ({
    library: `abandon: [${JSON.stringify(name)}]`,
    command: `--abandon ${shellQuoted(name)}`,
  }),
  snapshot: (name: string, cow: string): Advice => ({
    library: `snapshots: [{ name: ${JSON.stringify(name)}, cow: ${JSON.stringify(cow)} }]`,
    command: `--snapshot ${shellQuoted(`${escaped(name, /[\\,=]/g)}=${escaped(cow, /[\\,]/g)}`)}`,
  }),
} as const;

function wordOf(value: string | number | Advice, reader: keyof Advice): string {
  return typeof value === "object" ? value[reader] : String(value);
}

/** As `--snapshot` reads it. */
function escaped(text: string, special: RegExp): string {
  return text.replace(special, "\\$&");
}
