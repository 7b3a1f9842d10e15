/**
 * Module hooks that run the TypeScript sources as they are, on any Node that we support, and plant mutants in them.
 *
 *   import("…/simulation.ts?mutant=…")   the query is a patch, base64url of JSON [{file, find, replace} …]
 *        └─ imports of it inherit the query, so a mutant has module instances of its own; the file on disk is never touched
 *
 * Registered by typescript.mjs; runs on Node's hooks thread.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import ts from "typescript";

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
  const edits = query === undefined ? [] : decode(query).filter((edit) => path.endsWith(`/${edit.file}`));
  if (edits.length > 0) {
    const text = edits.reduce(patched, await readFile(fileURLToPath(path), "utf8"));
    return { format, shortCircuit: true, source: compile(text) };
  }
  let source = compiled.get(path);
  if (source === undefined) {
    source = compile(await readFile(fileURLToPath(path), "utf8"));
    compiled.set(path, source);
  }
  return { format, shortCircuit: true, source };
}

function decode(query) {
  return JSON.parse(Buffer.from(query.slice("mutant=".length), "base64url").toString());
}

function patched(text, { file, find, replace }) {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${file} has what the mutant changes ${parts.length - 1} times: ${find}`);
  return parts.join(replace);
}

function compile(text) {
  const options = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, inlineSourceMap: true };
  return ts.transpileModule(text, { compilerOptions: options }).outputText;
}
