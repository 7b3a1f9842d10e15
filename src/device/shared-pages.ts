/**
 * Shared memory that begins on a page: what O_DIRECT and registered buffers need.
 *
 * A plain SharedArrayBuffer begins 16 bytes into a page. A growable one is aligned, but every access to it through a typed
 * array costs ten times as much, for its length may change at any time. The buffer of a shared WebAssembly.Memory has
 * neither fault: aligned, of fixed length, zeroed, and its pages are touched only when they are used.
 */
import { assert } from "../base/assert.ts";
import { dropSpares, takeSpare } from "../base/spare-memory.ts";
import { divCeil } from "../base/units.ts";

const WASM_PAGE_BYTES = 65536;

/** The largest memory: 65536 wasm pages, which is also what a 32-bit arena offset can reach. */
export const SHARED_PAGES_MAX_BYTES = 65536 * WASM_PAGE_BYTES;

// The part of WebAssembly that we use; @types/node does not know it, and lib "dom" knows too much.
interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
}
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => SharedMemory;
};

/**
 * At least `bytes` bytes of page-aligned, zeroed shared memory (rounded up to 64 KiB). It lives as long as someone holds it; who knows that
 * nobody uses it any more gives it to `returnMemory`.
 * Throws a RangeError where the machine has not enough address space or memory.
 */
export function newSharedPages(bytes: number): SharedArrayBuffer {
  assert(Number.isSafeInteger(bytes), "size is not an integer");
  assert(bytes > 0 && bytes <= SHARED_PAGES_MAX_BYTES, "size is not within 1 byte and 4 GiB");
  const pages = divCeil(bytes, WASM_PAGE_BYTES);
  return takeSpare(pages * WASM_PAGE_BYTES, pages * WASM_PAGE_BYTES) ?? freshPages(pages);
}

function freshPages(pages: number): SharedArrayBuffer {
  for (;;) {
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
    } catch (error) {
      if (!(error instanceof RangeError) || !dropSpares()) throw error;
    }
  }
}
