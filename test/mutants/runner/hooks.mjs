/**
 * Module hooks of the process in which mutants are tried. They compile with those of the simulator (test/sim/typescript-hooks.mjs), which are loaded
 * only where something has to be compiled: a process that takes the place of another begins in half of the time.
 *
 *   import … from "vitest"                       ──▶ vitest.ts beside this file, for every importer and every life of a module
 *   import("…/commit.test.ts?life=3")            ──▶ the test and all that it imports anew
 *   a source that has been compiled before, by whatever process ──▶ SNAPRING_MUTANTS_FOLDER/compiled/HASH: a process that has to be replaced
 *                                                     is back in a second
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const VITEST = new URL("./vitest.ts", import.meta.url).href;
const COMPILED = join(process.env["SNAPRING_MUTANTS_FOLDER"] ?? "var/mutants", "compiled");

/** @type {Map<string, string>} what is in memory, by path */
const compiled = new Map();

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, next) {
  if (specifier === "vitest") return { url: VITEST, shortCircuit: true };
  const resolved = await next(specifier, context);
  const query = context.parentURL?.split("?")[1];
  return query === undefined || !resolved.url.endsWith(".ts")
    ? resolved
    : { ...resolved, url: `${resolved.url}?${query}` };
}

/** @type {import("node:module").LoadHook} */
export async function load(url, context, next) {
  const path = url.split("?")[0];
  if (!path.endsWith(".ts")) return next(url, context);
  const known = compiled.get(path);
  if (known !== undefined) return { format: "module", shortCircuit: true, source: known };
  const kept = join(
    COMPILED,
    createHash("sha256")
      .update(readFileSync(fileURLToPath(path)))
      .digest("hex"),
  );
  const source = existsSync(kept) ? readFileSync(kept, "utf8") : await compile(url, context, next, kept);
  compiled.set(path, source);
  return { format: "module", shortCircuit: true, source };
}

async function compile(url, context, next, kept) {
  const typescript = await import("../../sim/typescript-hooks.mjs");
  const source = quick((await typescript.load(url, context, next)).source);
  mkdirSync(COMPILED, { recursive: true });
  // Whole or not at all: others may look for it at the same time.
  writeFileSync(`${kept}.${process.pid}`, source);
  renameSync(`${kept}.${process.pid}`, kept);
  return source;
}

/**
 * What Stryker has put in asks for each mutant, each time, whether its name is the one that is on, and counts what is reached. Here it is asked by
 * number, and nothing is counted but in the first run (`Switchboard` in stryker-api.ts): a third of the time is left.
 */
function quick(source) {
  if (!source.includes("stryMutAct_9fa48")) return source;
  const asked = source
    .replace(/(?<!function )\bstryMutAct_9fa48\("(\d+)"\)/g, '(stryBoard.number === $1 && stryMutAct_9fa48("$1"))')
    .replace(/(?<!function )\bstryCov_9fa48\(("[^)]*)\)/g, "(stryBoard.counting && stryCov_9fa48($1))");
  return `const stryBoard = globalThis.__stryker__; ${asked}`;
}
