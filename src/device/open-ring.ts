/**
 * Opens the ring that fits the machine: io_uring, native without io_uring, or plain node. Every thread calls it for itself.
 */
import { FILE_COUNT, WAKE_FILE } from "../ring/file-table.ts";
import type { RingMode, WakeHandle } from "../ring/worker-data.ts";
import { loadNative } from "./native.ts";
import { createNativeRing } from "./native-ring.ts";
import { NodeRing } from "./node-ring.ts";
import { FileKind, type IoRing } from "./port.ts";

export interface RingRequest {
  readonly arena: SharedArrayBuffer;
  readonly capacity: number;
  readonly registeredBytes: number;
  readonly mode: RingMode;
  readonly wake: WakeHandle;
}

/** The ring has the worker's wake-up in its file table; a sleep in it lets the thread be ended from outside. */
export function openRing(request: RingRequest): IoRing {
  const { arena, capacity, registeredBytes, mode, wake } = request;
  if (loadNative().native === undefined) {
    const ring = new NodeRing({ arena, capacity, files: FILE_COUNT, wake: new Int32Array(wake.word) });
    return withFile(ring, WAKE_FILE, 0, FileKind.Event);
  }
  const ring = createNativeRing({ arena, capacity, files: FILE_COUNT, registeredBytes, mode, watchLoop: true });
  return withFile(ring, WAKE_FILE, wake.fd, FileKind.Event);
}

/** A ring of one file, at index 0, that nobody wakes: for a thread that waits for its own reads only. */
export function openFileRing(fd: number, arena: SharedArrayBuffer, capacity: number, mode: RingMode): IoRing {
  const options = { arena, capacity, files: 1 };
  const ring =
    loadNative().native === undefined
      ? new NodeRing({ ...options, wake: new Int32Array(new SharedArrayBuffer(4)) })
      : createNativeRing({ ...options, mode });
  // It waits for nobody else: without io_uring a thread that helps would only cost its switches, but for what the page cache has not.
  return withFile(ring, 0, fd, ring.kind === "poll" ? FileKind.Inline : FileKind.Async);
}

/** A ring that cannot hold its file is closed: nobody else knows it. */
function withFile(ring: IoRing, index: number, fd: number, kind: FileKind): IoRing {
  try {
    ring.setFile(index, fd, kind);
    return ring;
  } catch (error) {
    ring.close();
    throw error;
  }
}
