/**
 * A command that is refused: it says so in one line of words, or as JSON where that is asked for, with the exit code that belongs to it, and
 * leaves every file as it was.
 */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

/** Runs a command to its end: inside of this process (fake-terminal.ts), or as one of its own. */
export type Run = (
  ...argv: readonly string[]
) => Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;

export interface Refusal {
  readonly exitCode: number;
  readonly code: string;
  readonly words: string;
}

/** Nothing in the folder changes. */
export async function expectRefusal(
  run: Run,
  argv: readonly string[],
  { exitCode, code, words }: Refusal,
  folder: string,
): Promise<void> {
  const before = everythingIn(folder);
  const plain = await run(...argv);
  expect(plain.stderr).toContain(words);
  expect(plain.stderr).not.toMatch(/\n\s+at |internal error|node:/);
  const lines = plain.stderr.trimEnd().split("\n");
  expect(lines.filter((line) => !line.includes("no io_uring"))).toHaveLength(1);
  expect(plain.stdout).toBe("");
  expect(plain.code).toBe(exitCode);
  expect(everythingIn(folder)).toEqual(before);
  const json = await run(...argv, "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({ error: { code, message: expect.stringContaining(words) } });
  expect(json.code).toBe(exitCode);
  expect(everythingIn(folder)).toEqual(before);
}

/** Every entry of a folder: kind, inode, size, times, content. */
function everythingIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .map((name) => {
      const path = join(folder, name);
      const stat = lstatSync(path);
      if (!stat.isFile()) return `${name} ${stat.mode} ${stat.ino}`;
      const hash = createHash("sha256").update(readFileSync(path)).digest("hex");
      return `${name} ${stat.mode} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${hash}`;
    })
    .sort();
}
