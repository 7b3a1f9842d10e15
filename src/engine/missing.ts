/**
 * What this machine lacks for the fastest way of doing I/O, said in one line when a volume is opened: io_uring, or the whole addon.
 */
import { advice, say } from "../base/advice.ts";
import { SnapringError } from "../base/errno.ts";
import { loadNative, probeUring } from "../device/native.ts";
import type { CompleteOptions } from "./complete-options.ts";

/** The fallback is chosen with one clear message. Throws a SnapringError (EOPNOTSUPP) where io_uring was demanded. */
export function sayWhatIsMissing(options: CompleteOptions): void {
  const { native, reason } = loadNative();
  const probe = probeUring();
  if (probe.works || (options.io === "sync" && native !== undefined)) return;
  if (options.io === "uring") {
    throw new SnapringError("EOPNOTSUPP", `io_uring cannot be used: ${probe.reason}`, {
      hint: advice`leave ${say.uring} out`,
    });
  }
  if (native === undefined) {
    options.log(`no io_uring (${reason}): using node's own file system calls, slower`);
  } else options.log(`no io_uring (${probe.reason}): using preadv2 and pwritev2, slower`);
}
