/**
 * The end of a command whose volume cannot be closed, because a device does not answer.
 *
 * Its error has been reported, and the exit code is that of a failure. An ordinary exit would wait for threads that sit in calls to that
 * device, so the process leaves by `_exit`: the kernel closes what is open. Even the kernel may have to wait for the device then.
 */
import { StuckError } from "../base/stuck-error.ts";
import { loadNative } from "../device/native.ts";

/** The error's line may still be on its way. */
const LAST_LINE_MS = 200;

export function isStuck(error: unknown): boolean {
  return error instanceof StuckError;
}

/** Does not return. */
export async function endStuck(exitCode: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, LAST_LINE_MS));
  loadNative().native?.endProcess(exitCode);
  process.kill(process.pid, "SIGKILL");
  // Process 1 of a container cannot kill itself. It may have to wait for its threads, but it is told to end.
  process.exit(exitCode);
}
