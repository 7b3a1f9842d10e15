/**
 * The addon built with AddressSanitizer and UndefinedBehaviorSanitizer: its core, without N-API, into programs of its own, and the
 * whole of it into an addon that node loads behind the sanitizer's library.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism, homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { runOk } from "../support/run-command.ts";

const BINDINGS = join(import.meta.dirname, "../../native-bindings");
const DIALECT = [
  "-std=c++17",
  "-g",
  "-O1",
  "-fno-exceptions",
  "-fno-rtti",
  "-fno-omit-frame-pointer",
  "-fPIC",
  "-D_GNU_SOURCE",
];
const LIBRARIES = ["-l:liburing.a", "-lpthread"];
const CHECKS = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** Builds `native-bindings/test/NAME.cc` for each name, beside each other in the folder; each source is compiled once. */
export async function buildSanitized(folder: string, names: readonly string[]): Promise<void> {
  const { core } = sources();
  // The largest first.
  await compileAll(folder, [...names.map((name) => join(BINDINGS, "test", `${name}.cc`)), ...core]);
  for (const name of names) {
    const program = join(folder, name);
    await compile(objectOf(folder, name), ...core.map((path) => objectOf(folder, path)), "-o", program, ...LIBRARIES);
  }
}

/** The addon, from the objects that buildSanitized has left in the folder. Returns its path. */
export async function linkSanitizedAddon(folder: string): Promise<string> {
  const { core, binding } = sources();
  await compileAll(folder, binding, `-I${nodeHeaders()}`, "-DNAPI_VERSION=8");
  const addon = join(folder, "sanitized.node");
  const objects = [...core, ...binding].map((path) => objectOf(folder, path));
  await compile("-shared", ...objects, "-o", addon, ...LIBRARIES);
  return addon;
}

/** The library that must be there before everything else of the process. */
export function sanitizerLibrary(): string {
  return spawnSync("g++", ["-print-file-name=libasan.so"], { encoding: "utf8" }).stdout.trim();
}

/** `binding`: the files that speak N-API. */
function sources(): { core: string[]; binding: string[] } {
  const all = readdirSync(join(BINDINGS, "src"))
    .filter((name) => name.endsWith(".cc"))
    .map((name) => join(BINDINGS, "src", name));
  const speaks = (path: string): boolean => basename(path).startsWith("binding");
  return { core: all.filter((name) => !speaks(name)), binding: all.filter(speaks) };
}

/** Where the set-up has taken them from: beside this node, or where node-gyp keeps what it has downloaded. */
function nodeHeaders(): string {
  const { npm_config_nodedir: chosen, XDG_CACHE_HOME: cache = join(homedir(), ".cache") } = process.env;
  const places = [chosen, join(dirname(process.execPath), ".."), join(cache, "node-gyp", process.versions.node)];
  const folders = places.map((place) => join(place ?? "", "include/node"));
  const found = folders.find((folder) => existsSync(join(folder, "node_api.h")));
  if (found === undefined) throw new Error(`node_api.h is in none of ${folders.join(", ")}`);
  return found;
}

const objectOf = (folder: string, path: string): string => join(folder, `${basename(path, ".cc")}.o`);

/** As many at a time as there are cores. */
async function compileAll(folder: string, paths: readonly string[], ...args: readonly string[]): Promise<void> {
  const left = paths.values();
  const compileRest = async (): Promise<void> => {
    for (const path of left) await compile(...args, "-c", path, "-o", objectOf(folder, path));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, compileRest));
}

async function compile(...args: readonly string[]): Promise<void> {
  await runOk("g++", ...DIALECT, ...CHECKS, ...args);
}
