/**
 * One bench at a time on a machine: two would measure each other.
 *
 * The lock is an abstract Unix socket, which the kernel lets go when its holder ends, however that comes about.
 */
import { createServer } from "node:net";

const NAME = "\0snapring-bench";

/** Throws an Error if another bench runs; let go by `[Symbol.dispose]`. */
export function onlyBench(): Promise<Disposable> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? new Error("another bench runs on this machine: wait for its end") : error);
    });
    server.listen(NAME, () => {
      server.unref();
      resolve({ [Symbol.dispose]: () => server.close() });
    });
  });
}
