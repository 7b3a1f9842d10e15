/**
 * Memory that threads share, where its size follows from what a user asks for: the machine may not have it.
 *
 * A refusal is an operating error (ENOMEM), not a programmer's: the operation that asked for the memory fails, the rest goes on.
 */
import { SnapringError } from "./errno.ts";

/** Zeroed. Throws a SnapringError ENOMEM. */
export function newSharedMemory(bytes: number, maxBytes: number, what: string): SharedArrayBuffer {
  try {
    return maxBytes === bytes
      ? new SharedArrayBuffer(bytes)
      : new SharedArrayBuffer(bytes, { maxByteLength: maxBytes });
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
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
