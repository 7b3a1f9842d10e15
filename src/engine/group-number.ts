/**
 * The number of a group of users: by its name in /etc/group, or, where it is not in there (a directory service's), by the program getent.
 *
 * node has no getgrnam. Main waits for neither: a name service may take its time, and is given up in the end.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { SnapringError } from "../base/errno.ts";

const NAME_SERVICE_MS_MAX = 10_000;

/** Throws a SnapringError (ENOENT): there is none of that name. */
export async function groupNumber(group: string | number): Promise<number> {
  if (typeof group === "number") return group;
  const local = numberIn(await readFile("/etc/group", "utf8").catch(() => ""), group);
  const number = local ?? numberIn(await askNameService(group), group);
  if (number !== undefined) return number;
  throw new SnapringError("ENOENT", `there is no group named '${group}'`, {
    hint: "getent group lists those that there are; a number does as well",
  });
}

/** Lines are `NAME:PASSWORD:NUMBER:MEMBERS`. */
export function numberIn(lines: string, group: string): number | undefined {
  for (const line of lines.split("\n")) {
    const [name, , number = ""] = line.split(":");
    if (name === group && /^[0-9]+$/.test(number)) return Number(number);
  }
  return undefined;
}

/** Nothing where there is no such program, or it knows no such group. */
function askNameService(group: string): Promise<string> {
  return new Promise((resolve) => {
    const options = { timeout: NAME_SERVICE_MS_MAX, encoding: "utf8" } as const;
    execFile("getent", ["group", "--", group], options, (_error, stdout) => resolve(stdout));
  });
}
