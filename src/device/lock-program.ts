/**
 * A lock without the addon: flock(1), of util-linux or busybox, locks a descriptor of ours.
 *
 *   we: open the device ─▶ descriptor 3 of a child: `flock -n -x 3` ─▶ the child ends; the lock stays with our descriptor
 *
 * flock(2) locks the open file description, which the child shares with us. So the lock is the very one that the addon takes, and
 * keeps out whoever has the addon; it ends with our descriptor, however we end. Only the process that the kernel names as the one
 * that took it is gone (lock-holder.ts). It takes some milliseconds, once for each device that is opened.
 */
import { spawnSync } from "node:child_process";

/** The reason where there is nothing to lock with. */
export const NO_WAY = "there is neither the native addon nor the program flock";

/** Options are the short ones: busybox has no others. */
const PROGRAMS = [["flock"], ["busybox", "flock"]];

/** A shell and busybox say so of a program that they do not have. */
const NO_SUCH_PROGRAM = 127;
const TIMEOUT_MS = 10_000;

/** "locked"; "held": by somebody else; or why it cannot be known. */
export function lockByProgram(fd: number, exclusive: boolean): "locked" | "held" | { readonly reason: string } {
  for (const [program, ...first] of PROGRAMS) {
    const args = [...first, "-n", exclusive ? "-x" : "-s", "3"];
    const { error, status, stderr } = spawnChild(program, args, fd);
    if (status === 0) return "locked";
    const isMissing = status === NO_SUCH_PROGRAM || (error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    if (isMissing) continue;
    const words = stderr.trim().split("\n")[0];
    // Both programs are silent about a lock that somebody has, and say of everything else what it is.
    if (status === 1 && words === "") return "held";
    return { reason: `flock has failed (${words || error?.message || `status ${status}`})` };
  }
  return { reason: NO_WAY };
}

interface Child {
  readonly error?: Error | undefined;
  readonly status: number | null;
  readonly stderr: string;
}

function spawnChild(program: string, args: readonly string[], fd: number): Child {
  try {
    const { error, status, stderr } = spawnSync(program, args, {
      stdio: ["ignore", "ignore", "pipe", fd],
      encoding: "utf8",
      timeout: TIMEOUT_MS,
    });
    return { error, status, stderr: stderr ?? "" };
  } catch (error) {
    // Where node may start no processes (its permission model).
    return { error: error as Error, status: null, stderr: "" };
  }
}
