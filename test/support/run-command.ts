/**
 * Run another program to its end, without holding up this process: the server's client may live here.
 */
import { spawn } from "node:child_process";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function runCommand(command: string, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Run it and return what it printed; throws with everything it said where it failed. */
export async function runOk(command: string, ...args: readonly string[]): Promise<string> {
  const ended = await runCommand(command, ...args);
  if (ended.code === 0) return ended.stdout;
  throw new Error(
    `${command} ${args.join(" ")} ended with ${ended.code ?? ended.signal}\n${ended.stdout}\n${ended.stderr}`,
  );
}
