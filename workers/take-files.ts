/**
 * Devices come and go in a worker that has no clients: a control message of main puts them into its ring's file table, or takes them out.
 */
import { FileKind, type IoRing } from "../src/device/port.ts";
import type { FileControl } from "../src/ring/worker-data.ts";

export function takeFiles(ring: IoRing, control: FileControl): void {
  if ("gone" in control) {
    for (const file of control.gone) ring.setFile(file, -1, FileKind.Async);
    return;
  }
  const { file, fd, inline } = control;
  ring.setFile(file, fd, inline ? FileKind.Inline : FileKind.Async);
}
