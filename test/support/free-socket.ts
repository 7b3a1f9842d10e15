/**
 * Places of a test's own: a temporary folder, a Unix socket path in it, a TCP port that nobody listens on.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Scratch {
  readonly path: string;
  /** The path of a file in it. */
  file(name: string): string;
  /** Remove the folder and all that is in it. */
  remove(): Promise<void>;
}

/** A new folder below `parent`, by default the system's temporary folder: its path is short enough for a socket's. */
export async function makeScratch(parent: string = tmpdir()): Promise<Scratch> {
  const path = await mkdtemp(join(parent, "snapring-"));
  return {
    path,
    file: (name) => join(path, name),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
