/**
 * Module hooks that run the TypeScript sources as they are, on any Node that we support, and plant mutants in them.
 *
 *   import("…/simulation.ts?mutant=…")   the query is a patch, base64url of JSON [{file, find, replace} …]
 *        └─ imports of it inherit the query, so a mutant has module instances of its own; the file on disk is never touched
 *   import("…/table-life.ts?stepping&mutant=…")   the same, with the table's functions as generators (stepping.mjs)
 *
 * Registered by typescript.mjs; runs on Node's hooks thread.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { STEPPED_FILE, stepping } from "./stepping.mjs";

/** Compiled text by URL without its query: a patch concerns one file, the others are compiled once. */
const compiled = new Map();

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  const query = context.parentURL?.split("?")[1];
  if (query === undefined || !resolved.url.endsWith(".ts")) return resolved;
  return { ...resolved, url: `${resolved.url}?${query}` };
}

/** @type {import("node:module").LoadHook} */
export async function load(url, context, next) {
  const [path, query] = url.split("?");
  if (!path.endsWith(".ts")) return next(url, context);
  const format = "module";
  const parameters = new URLSearchParams(query ?? "");
  const steps = parameters.has("stepping") && STEPPED_FILE.test(path);
  const edits = decode(parameters.get("mutant")).filter((edit) => path.endsWith(`/${edit.file}`));
  if (edits.length > 0) {
    const text = edits.reduce(patched, await readFile(fileURLToPath(path), "utf8"));
    return { format, shortCircuit: true, source: compile(text, steps) };
  }
  const key = `${path} ${steps}`;
  let source = compiled.get(key);
  if (source === undefined) {
    source = compile(await readFile(fileURLToPath(path), "utf8"), steps);
    compiled.set(key, source);
  }
  return { format, shortCircuit: true, source };
}

function decode(mutant) {
  return mutant === null ? [] : JSON.parse(Buffer.from(mutant, "base64url").toString());
}

function patched(text, { file, find, replace }) {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${file} has what the mutant changes ${parts.length - 1} times: ${find}`);
  return parts.join(replace);
}

function compile(text, steps) {
  const options = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, inlineSourceMap: true };
  const transformers = steps ? { before: [stepping] } : {};
  return ts.transpileModule(text, { compilerOptions: options, transformers }).outputText;
}
