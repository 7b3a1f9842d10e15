/**
 * The clock of a life. The loops of the workers look at it (whether a client still reads, how long a request took), and a life must not be another one
 * on a machine that is busy with something else: so the time is that of the life's turns, as long as it is lived. Nothing else runs meanwhile.
 */
/** Of a worker's turn, in milliseconds: about what one takes here. */
const TURN_MS = 0.2;

let now = 0;

/** A worker has had a turn. */
export function turnPasses(): void {
  now += TURN_MS;
}

export function withSimulatedClock<T>(life: () => T): T {
  const { now: real } = performance;
  now = 0;
  performance.now = () => now;
  try {
    return life();
  } finally {
    performance.now = real;
  }
}
