/**
 * The files that threads start with: found beside this code, in the package's dist/ (or in dist/ seen from the sources).
 *
 * A bundler copies this code somewhere else and leaves the workers (and the addon) behind. That is said in words, before anything
 * was opened, made or started.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SnapringError } from "../base/errno.ts";

const ENTRIES = {
  export: "workers/export-worker.js",
  copy: "workers/copy-worker.js",
  metadata: "workers/metadata-worker.js",
  opening: "workers/opening-worker.js",
} as const;

export function workerEntry(role: keyof typeof ENTRIES): string {
  // CommonJS that a bundler has made knows no import.meta.url.
  const here: string | undefined = import.meta.url;
  const places = here === undefined ? [] : ["../../", "../../dist/"];
  const found = places
    .map((place) => fileURLToPath(new URL(place + ENTRIES[role], here)))
    .find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new SnapringError("ENOENT", `snapring's worker file ${ENTRIES[role]} is not where the library is`, {
    hint: "a bundler must leave the library where it is installed, as an external: esbuild --external:snapring",
  });
}

/** Throws a SnapringError (ENOENT) where they are not all there. */
export function checkWorkerEntries(): void {
  for (const role of Object.keys(ENTRIES) as (keyof typeof ENTRIES)[]) workerEntry(role);
}
