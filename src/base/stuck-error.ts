/**
 * A close that was given up because a device does not answer (engine/close-watch.ts). A class of its own: ETIMEDOUT alone is also what a network
 * device says of a read that has failed, after which everything ends in order.
 */
import { SnapringError } from "./errno.ts";

export class StuckError extends SnapringError {
  constructor(message: string) {
    super("ETIMEDOUT", message, { hint: "a device does not answer; only the end of the process gives it up" });
  }
}
