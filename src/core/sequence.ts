/**
 * Allocation numbers: 32-bit integers that wrap, compared by difference, so that they fit one shared word.
 *
 * Fewer than 2^31 exceptions are ever between two numbers that meet: the pending ones of one snapshot.
 */

export function nextSequence(sequence: number): number {
  return (sequence + 1) | 0;
}

/** True if `a` was handed out later than `b`. */
export function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}
