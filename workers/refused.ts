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
import { Message } from "../src/ring/messages.ts";
import type { Outbox } from "../src/ring/outbox.ts";
import { ControlTaken } from "../src/ring/to-main.ts";
import { Control } from "../src/ring/to-workers.ts";

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

/** A Control message has come: take its order from the port, and tell main how that went. */
export function takeControl(outbox: Outbox, words: Int32Array, at: number, control: () => void): void {
  const sequence = Control.sequence.get(words, at);
  const error = refused(control);
  const answer = outbox.begin(Message.ControlTaken, 0, 0);
  ControlTaken.sequence.set(outbox.words, answer, sequence);
  ControlTaken.error.set(outbox.words, answer, error);
}
