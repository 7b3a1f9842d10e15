/**
 * Which test files come to see a source file: those that import it, or what imports it, and so on. Read from the text, as the files have it.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const IMPORT = /\b(?:from|import)\s*\(?\s*"(\.[^"]+\.(?:ts|mjs))"/g;

export class Imports {
  readonly #direct = new Map<string, readonly string[]>();

  /** Of two absolute paths. */
  reaches(from: string, to: string): boolean {
    const seen = new Set([from]);
    for (const path of seen) {
      if (path === to) return true;
      for (const next of this.#of(path)) seen.add(next);
    }
    return false;
  }

  #of(path: string): readonly string[] {
    let direct = this.#direct.get(path);
    if (direct === undefined) {
      const text = existsSync(path) ? readFileSync(path, "utf8") : "";
      direct = [...text.matchAll(IMPORT)].map(([, target]) => join(dirname(path), target!));
      this.#direct.set(path, direct);
    }
    return direct;
  }
}
