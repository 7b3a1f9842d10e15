/**
 * The addon's core, without N-API, built with AddressSanitizer and UndefinedBehaviorSanitizer into programs of its own.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

const BINDINGS = join(import.meta.dirname, "../../native-bindings");
const DIALECT = ["-std=c++17", "-g", "-O1", "-fno-exceptions", "-fno-rtti", "-fno-omit-frame-pointer", "-D_GNU_SOURCE"];
const CHECKS = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** Builds `native-bindings/test/NAME.cc` for each name, beside each other in the folder; the core itself is compiled once. */
export function buildSanitized(folder: string, names: readonly string[]): void {
  const all = readdirSync(join(BINDINGS, "src"));
  // All but the files that speak N-API.
  const core = all.filter((name) => name.endsWith(".cc") && !name.startsWith("binding"));
  compile(folder, ["-c", ...core.map((name) => join(BINDINGS, "src", name))]);
  const objects = core.map((name) => name.replace(/cc$/, "o"));
  for (const name of names) {
    compile(folder, [join(BINDINGS, "test", `${name}.cc`), ...objects, "-o", name, "-l:liburing.a", "-lpthread"]);
  }
}

function compile(folder: string, args: readonly string[]): void {
  const built = spawnSync("g++", [...DIALECT, ...CHECKS, ...args], { cwd: folder, encoding: "utf8" });
  if (built.status !== 0) throw new Error(built.stderr);
}
