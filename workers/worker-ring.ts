/**
 * The ring of a worker: the first thing that a thread takes, the same for every role. Devices come later, by control messages.
 *
 *   thread                                       main (engine/channel.ts)
 *   openRing ── refused ── port ───────────────▶ the words, before the thread ends by the error
 *
 * An error loses its code and its hint on its way out of a thread, so they go through the port. Called once, at the thread's start.
 */
import type { MessagePort } from "node:worker_threads";
import { SnapringError } from "../src/base/errno.ts";
import { openRing } from "../src/device/open-ring.ts";
import type { IoRing } from "../src/device/port.ts";
import type { WorkerData } from "../src/ring/worker-data.ts";

export function openWorkerRing(
  data: WorkerData & { readonly port: MessagePort },
  capacity: number,
  registeredBytes: number,
): IoRing {
  const { arena, mode, wakeWorker, port } = data;
  try {
    return openRing({ arena, capacity, registeredBytes, mode, wake: wakeWorker });
  } catch (error) {
    if (error instanceof SnapringError) {
      const { code, message, hint } = error;
      port.postMessage({ refused: { code, message, hint } });
    }
    throw error;
  }
}
