/**
 * What a reader has to know of the machine, and the versions of everything that was measured.
 */
import { cpus, release, totalmem } from "node:os";
import { readFileSync } from "node:fs";
import { CommandError, run } from "./child.ts";
import { NEWER_SUFFIX, newerProgram } from "./newer-programs.ts";
import { GIB } from "./workload.ts";

export interface Machine {
  readonly facts: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
}

const PACKAGE = new URL("../../package.json", import.meta.url);
const TOOLS = ["fio", "qemu-nbd", "qemu-storage-daemon", "nbdkit"];

/** `folder`: on the file system that is measured. */
export async function describeMachine(folder: string): Promise<Machine> {
  const versions: Record<string, string> = {
    snapring: await snapringVersion(),
    node: process.versions.node,
  };
  for (const tool of TOOLS) {
    const version = await firstLine([tool, "--version"]);
    if (version !== undefined) versions[tool] = versionIn(version);
    const newer = await firstLine([newerProgram(tool), "--version"]);
    if (newer !== undefined) versions[`${tool}${NEWER_SUFFIX}`] = versionIn(newer);
  }
  return {
    facts: {
      kernel: release(),
      CPUs: `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}`,
      memory: `${(totalmem() / GIB).toFixed(0)} GiB`,
      "file system": (await firstLine(["findmnt", "-no", "FSTYPE", "-T", folder])) ?? "unknown",
    },
    versions,
  };
}

/** The first number with dots in what a program says about its version. */
export function versionIn(text: string): string {
  return /\d+(\.\d+)+/.exec(text)?.[0] ?? text;
}

async function snapringVersion(): Promise<string> {
  const { version } = JSON.parse(readFileSync(PACKAGE, "utf8")) as { readonly version: string };
  const commit = await firstLine(["git", "-C", new URL(".", PACKAGE).pathname, "rev-parse", "--short", "HEAD"]);
  return commit === undefined ? version : `${version} (${commit})`;
}

async function firstLine(command: readonly string[]): Promise<string | undefined> {
  try {
    return (await run(command)).split("\n")[0].trim();
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}
