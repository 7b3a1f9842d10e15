/**
 * Shared memory that nobody uses any more, kept for the next who needs as much.
 *
 * The garbage collector gives such memory back when it gets to it, and it sees little reason: the handle is small, the pages are not in any heap.
 * A program that opens and closes volumes would hold dozens of arenas, each with 10 GiB of address space that the engine reserves around it,
 * and tables that may grow to 4 GiB. Used again, there are never more of them than were in use at once.
 *
 *   in use ──▶ cleared (device/cleared-memory.ts) ──▶ spare ──▶ in use
 *
 * Each thread has its own. What is put here reads as zeroes, and nobody reads or writes it: no thread, no device, not the kernel.
 */
import { assert } from "./assert.ts";

/** What two volumes with several workers leave; the oldest goes to the garbage collector. */
const SPARES_MAX = 16;

const spares: SharedArrayBuffer[] = [];

/** Of exactly these limits and at least that size now; `maxBytes` is `bytes` for memory of fixed length. */
export function takeSpare(bytes: number, maxBytes: number): SharedArrayBuffer | undefined {
  const growable = maxBytes !== bytes;
  const index = spares.findIndex((memory) => {
    if (memory.growable !== growable) return false;
    return growable ? memory.maxByteLength === maxBytes && memory.byteLength >= bytes : memory.byteLength === bytes;
  });
  return index < 0 ? undefined : spares.splice(index, 1)[0];
}

export function putSpare(memory: SharedArrayBuffer): void {
  assert(!spares.includes(memory), "memory was put here twice");
  if (spares.length === SPARES_MAX) spares.shift();
  spares.push(memory);
}

/** There is no memory: whatever is kept goes. True: there was something. */
export function dropSpares(): boolean {
  return spares.splice(0).length > 0;
}
