/**
 * Large pages for memory that is large and used densely, as a table of millions of exceptions or the room in which they are ordered.
 *
 * Touching memory for the first time costs a fault for each page; on a virtual machine that may be a quarter of the time in which such a
 * store opens, and lookups all over a table miss the processor's page cache. A page of 2 MiB instead of 4 KiB has neither. Where the addon is
 * missing, or the kernel has no such pages to give, everything works as before.
 */
import { loadNative } from "./native.ts";

/** Of all that the memory is, and may grow to. Before it is touched. */
export function useHugePages(memory: ArrayBuffer | SharedArrayBuffer): void {
  const bytes = "maxByteLength" in memory ? memory.maxByteLength : (memory as ArrayBuffer).byteLength;
  loadNative().native?.useHugePages(new Uint8Array(memory, 0, 0), bytes);
}
