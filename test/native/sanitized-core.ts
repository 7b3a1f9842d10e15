/**
 * The addon built with AddressSanitizer and UndefinedBehaviorSanitizer: its core, without N-API, into programs of its own, and the
 * whole of it into an addon that node loads behind the sanitizer's library.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

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
const CHECKS = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** Builds `native-bindings/test/NAME.cc` for each name, beside each other in the folder; the core itself is compiled once. */
export function buildSanitized(folder: string, names: readonly string[]): void {
  const { core } = sources();
  compile(folder, ["-c", ...core.map((name) => join(BINDINGS, "src", name))]);
  for (const name of names) {
    compile(folder, [join(BINDINGS, "test", `${name}.cc`), ...objects(core), "-o", name, "-l:liburing.a", "-lpthread"]);
  }
}

/** The addon, from the objects that buildSanitized has left in the folder. Returns its path. */
export function linkSanitizedAddon(folder: string): string {
  const { core, binding } = sources();
  const headers = [`-I${nodeHeaders()}`, "-DNAPI_VERSION=8"];
  compile(folder, ["-c", ...headers, ...binding.map((name) => join(BINDINGS, "src", name))]);
  compile(folder, ["-shared", ...objects([...core, ...binding]), "-o", "sanitized.node", "-l:liburing.a"]);
  return join(folder, "sanitized.node");
}

/** The library that must be there before everything else of the process. */
export function sanitizerLibrary(): string {
  return spawnSync("g++", ["-print-file-name=libasan.so"], { encoding: "utf8" }).stdout.trim();
}

/** `binding`: the files that speak N-API. */
function sources(): { core: string[]; binding: string[] } {
  const all = readdirSync(join(BINDINGS, "src")).filter((name) => name.endsWith(".cc"));
  const speaks = (name: string): boolean => name.startsWith("binding");
  return { core: all.filter((name) => !speaks(name)), binding: all.filter(speaks) };
}

function objects(names: readonly string[]): string[] {
  return names.map((name) => name.replace(/cc$/, "o"));
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

function compile(folder: string, args: readonly string[]): void {
  const built = spawnSync("g++", [...DIALECT, ...CHECKS, ...args], { cwd: folder, encoding: "utf8" });
  if (built.status !== 0) throw new Error(built.stderr);
}
