/**
 * Memory that threads share, where its size follows from what a user asks for: the machine may not have it.
 *
 * A refusal is an operating error (ENOMEM), not a programmer's: the operation that asked for the memory fails, the rest goes on.
 */
import { SnapringError } from "./errno.ts";
import { dropSpares, takeSpare } from "./spare-memory.ts";

/** Zeroed. Throws a SnapringError ENOMEM. */
export function newSharedMemory(bytes: number, maxBytes: number, what: string): SharedArrayBuffer {
  // Memory of fixed length is small here.
  if (maxBytes === bytes) return fresh(bytes, undefined, what);
  return takeSpare(bytes, maxBytes) ?? fresh(bytes, { maxByteLength: maxBytes }, what);
}

function fresh(bytes: number, options: { maxByteLength: number } | undefined, what: string): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes, options);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    if (dropSpares()) return fresh(bytes, options, what);
    throw new SnapringError("ENOMEM", `no memory for ${what}`, {
      hint: "end something else, or use larger chunks",
      cause,
    });
  }
}

/** False: there is no memory, and nothing has changed. */
export function growSharedMemory(memory: SharedArrayBuffer, bytes: number): boolean {
  try {
    memory.grow(bytes);
    return true;
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    return false;
  }
}
