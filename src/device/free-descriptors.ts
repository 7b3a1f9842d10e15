/**
 * How many descriptors this process may still open: the limit that it has now (node has raised it as far as it may at its start), less
 * what is open.
 *
 *   /proc/self/limits   Max open files   1024   524288   files          /proc/self/fd   one name for each that is open
 *
 * For whoever shares them out beforehand, so that the last one is not taken by somebody who could do without. It is no promise: other
 * parts of the program take descriptors, too.
 */
import { readdirSync, readFileSync } from "node:fs";

export interface DescriptorRoom {
  /** Infinity where it cannot be known. */
  readonly limit: number;
  readonly free: number;
}

export function descriptorRoom(): DescriptorRoom {
  try {
    const limit = softLimit(readFileSync("/proc/self/limits", "utf8"));
    // The folder itself is open while it is read.
    const open = readdirSync("/proc/self/fd").length - 1;
    return { limit, free: Math.max(0, limit - open) };
  } catch {
    return { limit: Number.POSITIVE_INFINITY, free: Number.POSITIVE_INFINITY };
  }
}

/** Of the text of /proc/self/limits. */
export function softLimit(limits: string): number {
  const found = /^Max open files +(\d+)/m.exec(limits);
  return found === null ? Number.POSITIVE_INFINITY : Number(found[1]);
}
