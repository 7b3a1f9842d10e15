/**
 * The ring of a worker, with the origin in it: the first things that a thread takes, the same for every role.
 *
 *   thread                                       main (engine/channel.ts)
 *   openRing, setFile ── refused ── port ──────▶ the words, before the thread ends by the error
 *
 * An error loses its code and its hint on its way out of a thread, so they go through the port. Called once, at the thread's start.
 */
import type { MessagePort } from "node:worker_threads";
import { SnapringError } from "../src/base/errno.ts";
import { openRing } from "../src/device/open-ring.ts";
import { FileKind, type IoRing } from "../src/device/port.ts";
import { ORIGIN_FILE } from "../src/ring/file-table.ts";
import type { WorkerData } from "../src/ring/worker-data.ts";

export function openWorkerRing(
  data: WorkerData & { readonly port: MessagePort },
  capacity: number,
  registeredBytes: number,
): IoRing {
  const { arena, mode, wakeWorker, originFd, originInline, port } = data;
  let ring: IoRing | undefined;
  try {
    ring = openRing({ arena, capacity, registeredBytes, mode, wake: wakeWorker });
    ring.setFile(ORIGIN_FILE, originFd, originInline ? FileKind.Inline : FileKind.Async);
    return ring;
  } catch (error) {
    // A thread of a pool outlives what it has begun.
    ring?.close();
    if (error instanceof SnapringError) {
      const { code, message, hint } = error;
      port.postMessage({ refused: { code, message, hint } });
    }
    throw error;
  }
}
