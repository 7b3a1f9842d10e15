/**
 * The command line of `npm run bench`: what to measure, how long, where, and what to do with results that are there.
 *
 * Defaults make the bench that the documents speak of; everything that is said otherwise stands in the results.
 */
import { InvalidArgumentError, Option } from "commander";
import { fileURLToPath } from "node:url";
import { driver } from "./driver.ts";
import { patternsOf } from "./glob.ts";
import { SETTING_NAMES, type SettingName } from "./setting.ts";

export interface BenchOptions {
  readonly setting: SettingName | "all";
  readonly only: readonly string[];
  readonly servers: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUp: number;
  readonly scale: number;
  readonly dir?: string;
  readonly out: string;
  readonly resume?: boolean;
  readonly report?: boolean;
  readonly list?: boolean;
}

const RESULTS = fileURLToPath(new URL("../../bench/results", import.meta.url));

const HELP = `
Patterns are names with '*', separated by commas. Examples:
  npm run bench -- --list
  npm run bench -- --setting direct --only 'read-unmapped-*' --servers 'snapring-16k,qemu-raw'
  npm run bench -- --resume`;

/** Ends the process for --help and for a wrong command line (exit code 2). */
export function parseOptions(argv: readonly string[]): BenchOptions {
  return driver("bench", "Measure snapring beside other NBD servers, round by round, with fio")
    .addOption(new Option("--setting <NAME>", "where").choices([...SETTING_NAMES, "all"]).default("all"))
    .option("--only <PATTERNS>", "workloads", patternsOf, ["*"])
    .option("--servers <PATTERNS>", "servers", patternsOf, ["*"])
    .option("--rounds <N>", "rounds", positive(true), 3)
    .option("--seconds <S>", "of each run that is bounded by time", positive(false), 5)
    .option("--warm-up <S>", "seconds of warm-up before each of those", positive(false), 1.5)
    .option("--scale <FACTOR>", "multiplies the counts of the other runs (1 at most)", share, 1)
    .option("--dir <FOLDER>", "on the file system to measure (default: var/bench of the project, or /dev/shm)")
    .option("--out <FOLDER>", "where results go", RESULTS)
    .option("--resume", "go on with the results that are there: measure only what is missing")
    .option("--report", "measure nothing, make the reports of the results that are there again")
    .option("--list", "list settings, servers and workloads")
    .addHelpText("after", HELP)
    .parse(argv, { from: "user" })
    .opts<BenchOptions>();
}

function positive(whole: boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!(value > 0) || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
      throw new InvalidArgumentError(`it must be a ${whole ? "whole " : ""}number above 0.`);
    }
    return value;
  };
}

/** A larger volume would be needed for more. */
function share(text: string): number {
  const value = positive(false)(text);
  if (value > 1) throw new InvalidArgumentError("it must be 1 at most.");
  return value;
}
