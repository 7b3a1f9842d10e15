/**
 * `npm run mutants`: small mistakes, made by a machine, one at a time; for each, whether a test fails (`npm run mutants -- --help`).
 *
 *   a folder ──▶ Stryker mutates its files ──▶ unit tests ──▶ what they leave: lives of the simulator ──▶ found │ listed as unseen │ alive
 *
 * With --planted, those that people have made or thought of (planted.ts) instead. It fails where fewer are found than must be.
 */
import { Argument } from "commander";
import { count, driver, refuseNothing } from "../support/driver.ts";
import { FOLDER_NAMES, FOLDERS, type FolderName } from "./folders.ts";
import { searchPlanted } from "./planted-run.ts";
import { described, keyOf, type Mutant, unseenOf } from "./report.ts";
import { runStryker } from "./stryker.ts";
import { UNSEEN } from "./unseen.ts";

/** Percent of a folder's mutants that are found, without those that nobody can see. */
const FOUND_MIN = 95;

interface MutantsOptions {
  readonly file?: string;
  readonly concurrency: number;
  readonly sim: boolean;
  readonly planted?: string | true;
}

const command = driver("mutants", "Makes small mistakes in the sources, one at a time, and looks whether a test fails")
  .addArgument(new Argument("[FOLDER...]", "what is mutated; all of them if none is given").choices(FOLDER_NAMES))
  .option("--file <NAME>", "only this file of the folder, without its .ts")
  .option("--concurrency <N>", "processes at a time", count(1), 1)
  .option("--no-sim", "without the simulator, which looks at what the unit tests leave")
  .option("--planted [NAME]", "mistakes that people have made or thought of, or those whose name has this in it")
  .parse();
const options = command.opts<MutantsOptions>();
const names = (command.args.length === 0 ? FOLDER_NAMES : command.args) as readonly FolderName[];

if (options.planted !== undefined) {
  const { done, failed } = await searchPlanted(options.planted === true ? "" : options.planted);
  process.exitCode = failed === 0 ? 0 : 1;
  refuseNothing("mutants", done);
} else {
  let done = 0;
  for (const name of names) done += mutate(name);
  refuseNothing("mutants", done);
}

/** Mutates a folder and says what was found; the number of its mutants. */
function mutate(name: FolderName): number {
  const { file = "**/*", concurrency } = options;
  const { tests, depths } = FOLDERS[name];
  const begun = performance.now();
  const made = runStryker({ mutate: [`${name}/${file}.ts`], tests, depths: [], concurrency });
  if (made === undefined) {
    process.exitCode = 1;
    return 0;
  }
  const first = made.filter(({ weakens }) => !weakens);
  const left = first.filter((mutant) => !mutant.found && unseenOf(mutant) === undefined);
  const bySim = options.sim && depths.length > 0 && left.length > 0 ? askSimulator(left, depths) : new Set<string>();
  const seconds = Math.round((performance.now() - begun) / 1000);
  tell(name, first, bySim, { weakened: made.length - first.length, seconds });
  return first.length;
}

/** The keys of those that lives of the simulator find. */
function askSimulator(left: readonly Mutant[], depths: readonly string[]): ReadonlySet<string> {
  const mutate = left.map(
    ({ file, start, end }) => `${file}:${start.line}:${start.column - 1}-${end.line}:${end.column - 1}`,
  );
  const { concurrency } = options;
  const again = runStryker({ mutate, tests: ["test/mutants/lives.ts"], depths, concurrency }) ?? [];
  return new Set(again.filter(({ found }) => found).map(keyOf));
}

/** `weakened`: asserts made weaker; they are not among the mutants. */
interface Besides {
  readonly weakened: number;
  readonly seconds: number;
}

function tell(
  name: FolderName,
  mutants: readonly Mutant[],
  bySim: ReadonlySet<string>,
  { weakened, seconds }: Besides,
): void {
  const byTests = mutants.filter(({ found }) => found).length;
  const bySimOnly = mutants.filter((mutant) => !mutant.found && bySim.has(keyOf(mutant)));
  const rest = mutants.filter((mutant) => !mutant.found && !bySim.has(keyOf(mutant)));
  const alive = rest.filter((mutant) => unseenOf(mutant) === undefined);
  const found = byTests + bySimOnly.length;
  const unseen = rest.length - alive.length;
  const percent = (100 * found) / Math.max(1, mutants.length - unseen);
  const ofAll = (100 * found) / Math.max(1, mutants.length);
  console.log(
    `${name}: ${mutants.length} mutants, ${unseen} of them unseen with a reason; of the others ${found} found (${percent.toFixed(1)} %; of all of them ${ofAll.toFixed(1)} %): ${byTests} by unit tests, ${bySimOnly.length} by the simulator; ${alive.length} alive; left out: ${weakened} that only weaken an assert; ${seconds} s`,
  );
  for (const mutant of alive) console.log(`  ${described(mutant)}`);
  const stale = options.file === undefined ? staleOf(name, rest) : [];
  for (const line of stale) console.log(`  listed as unseen, and found or gone: ${line}`);
  if (percent < FOUND_MIN || stale.length > 0) process.exitCode = 1;
}

function staleOf(name: FolderName, rest: readonly Mutant[]): readonly string[] {
  const met = new Set(rest.map((mutant) => unseenOf(mutant)));
  return UNSEEN.filter((one) => one.file.startsWith(`${name}/`) && !met.has(one)).map(
    ({ file, line, instead }) => `${file}: ${line} → ${instead}`,
  );
}
