/**
 * Shared memory at the end of its use: its pages go back to the kernel at once, and the memory is kept for the next who needs it.
 *
 * Without the addon nothing can be said to the kernel: what was written is made zero, and only that, for a page that was never touched costs nothing
 * as long as it is only read.
 */
import { putSpare } from "../base/spare-memory.ts";
import { loadNative } from "./native.ts";

const PAGE_BYTES = 4096;

/** Every thread that had it has ended, or forgotten it; the kernel has nothing of it under way. */
export function returnMemory(memory: SharedArrayBuffer): void {
  const bytes = new Uint8Array(memory, 0, memory.byteLength);
  if (loadNative().native?.clearPages(bytes) !== 0) clearByHand(memory);
  putSpare(memory);
}

function clearByHand(memory: SharedArrayBuffer): void {
  const zeroes = Buffer.alloc(PAGE_BYTES);
  for (let at = 0; at < memory.byteLength; at += PAGE_BYTES) {
    const page = Buffer.from(memory, at, Math.min(PAGE_BYTES, memory.byteLength - at));
    if (page.compare(zeroes, 0, page.length) !== 0) page.fill(0);
  }
}
