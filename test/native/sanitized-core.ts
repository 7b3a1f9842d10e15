/**
 * The addon's core, without N-API, built with AddressSanitizer and UndefinedBehaviorSanitizer into programs of its own.
 */
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { runOk } from "../support/run-command.ts";

const BINDINGS = join(import.meta.dirname, "../../native-bindings");
const DIALECT = ["-std=c++17", "-g", "-O1", "-fno-exceptions", "-fno-rtti", "-fno-omit-frame-pointer", "-D_GNU_SOURCE"];
const CHECKS = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** Builds `native-bindings/test/NAME.cc` for each name, beside each other in the folder; each source is compiled once, as many as there are cores at a time. */
export async function buildSanitized(folder: string, names: readonly string[]): Promise<void> {
  const all = readdirSync(join(BINDINGS, "src"));
  // All but the files that speak N-API.
  const core = all.filter((name) => name.endsWith(".cc") && !name.startsWith("binding"));
  const sources = [
    // The largest first.
    ...names.map((name) => join(BINDINGS, "test", `${name}.cc`)),
    ...core.map((name) => join(BINDINGS, "src", name)),
  ];
  const left = sources.values();
  const compileAll = async (): Promise<void> => {
    for (const path of left) await compile("-c", path, "-o", objectOf(folder, path));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, compileAll));
  const objects = core.map((name) => objectOf(folder, name));
  for (const name of names)
    await compile(objectOf(folder, name), ...objects, "-o", join(folder, name), "-l:liburing.a", "-lpthread");
}

const objectOf = (folder: string, path: string): string => join(folder, `${basename(path, ".cc")}.o`);

async function compile(...args: readonly string[]): Promise<void> {
  await runOk("g++", ...DIALECT, ...CHECKS, ...args);
}
