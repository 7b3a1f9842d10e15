/**
 * Programs that the bench runs to their end: fio, nbdinfo, qemu-img, sync, dd.
 *
 * An interrupted bench ends them through the abort signal. Servers, which run until told to end, are in server-process.ts.
 */
import { spawn } from "node:child_process";

export interface ChildOptions {
  readonly signal?: AbortSignal | undefined;
  /** Killed after so many seconds. */
  readonly seconds?: number;
}

const SECONDS_DEFAULT = 120;
const MESSAGE_LETTERS_MAX = 400;

export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** Standard output; throws a CommandError with what the program said if it failed or took too long. */
export function run(command: readonly string[], options: ChildOptions = {}): Promise<string> {
  const [program, ...args] = command;
  const limit = AbortSignal.timeout((options.seconds ?? SECONDS_DEFAULT) * 1000);
  const signal = options.signal === undefined ? limit : AbortSignal.any([limit, options.signal]);
  return new Promise((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], signal, killSignal: "SIGKILL" });
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", (error) => {
      // Wait for `close` where there is a process: our own children's CPU time must be complete.
      if (child.pid === undefined) reject(new CommandError(`${program} cannot be run: ${error.message}`));
    });
    child.once("close", (code) => {
      if (code === 0) resolve(stdout);
      else if (options.signal?.aborted === true) reject(new CommandError(`${program} was interrupted`));
      else if (limit.aborted) reject(new CommandError(`${program} did not end`));
      else reject(new CommandError(`${program} failed: ${(stderr || stdout).trim().slice(-MESSAGE_LETTERS_MAX)}`));
    });
  });
}

/** Is there a program of this name? */
export async function isInstalled(program: string): Promise<boolean> {
  try {
    await run(["sh", "-c", 'command -v "$1"', "sh", program]);
    return true;
  } catch {
    return false;
  }
}
