/** The files of the repository, as paths from its root, for the tests that read them as text. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT: string = join(import.meta.dirname, "..", "..");

/** Files below a folder, as paths from the root; what is built or installed is left out. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === "node_modules" || entry.name === "build" || entry.name === "corpus") return [];
    const path = `${folder}/${entry.name}`;
    if (path === ".ci/peers" || path === ".ci/promtool") return [];
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

export function isText(path: string): boolean {
  return existsSync(join(ROOT, path)) && /(\.(ts|mjs|json|md|cc|h|gyp|sh|py|pml)|\/(run|check))$/.test(path);
}

export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}
