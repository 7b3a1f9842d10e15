/**
 * Ends this process now, as a crash would: nothing is awaited, no thread is asked.
 *
 * SIGKILL to ourselves, for an ordinary exit waits for worker threads that may sit in the kernel. The first process of a PID
 * namespace (a container) cannot be killed from inside, not even by itself: there the addon leaves by `_exit`. Without the addon no
 * thread of ours sits where node cannot end it.
 */
import { loadNative } from "../device/native.ts";

/** As a shell reports SIGKILL. */
const KILLED = 137;

export function endAtOnce(): void {
  if (process.pid !== 1) process.kill(process.pid, "SIGKILL");
  loadNative().native?.endProcess(KILLED);
  process.exit(KILLED);
}
