/**
 * What node itself must have for a volume, and may be without: looked at before anything is opened, so that it is said in words.
 *
 *   working directory     a thread of node's does not start where it has been removed, whatever paths are named
 *   WebAssembly           the threads' memory is made by it (device/shared-pages.ts); --jitless takes it away
 */
import { SnapringError } from "../base/errno.ts";

/** Throws a SnapringError (ENOENT, EOPNOTSUPP). */
export function checkSurroundings(): void {
  try {
    process.cwd();
  } catch (cause) {
    throw new SnapringError("ENOENT", "the working directory has been removed", {
      hint: "start it in a folder that is there",
      cause,
    });
  }
  if (!("WebAssembly" in globalThis)) {
    throw new SnapringError("EOPNOTSUPP", "node has no WebAssembly, which the threads' memory is made by", {
      hint: "start node without --jitless, --no-expose-wasm",
    });
  }
}
