/**
 * What the machine refuses a worker: a descriptor or memory for a file that it is given.
 *
 *   main                        worker
 *   Adopt, Control ───────────▶ ring.setFile ── refused (EMFILE, ENFILE, ENOMEM …) ──▶ a value, which main is told
 *
 * It fails the client or the order that it was for, never the worker: a thread that dies of it would take the volume with it. Only
 * the ring's own words are such a value; anything else that is thrown is a defect.
 */
import { errnoOf, SnapringError } from "../src/base/errno.ts";

/** 0, or the error number with which something of the machine was refused. */
export function refused(take: () => void): number {
  try {
    take();
    return 0;
  } catch (error) {
    if (error instanceof SnapringError) return errnoOf(error);
    throw error;
  }
}
