/**
 * What happened on the lying devices of one volume, in one order for all of them, as dm-log-writes would have it.
 *
 *   time ──▶   1 write begins   2 flush begins   3 write ends   4 flush ends   5 write ends (durable) …
 *
 * One clock numbers every event; whoever talks to the volume numbers its own requests and replies by the same clock. A write
 * enters at its end; a flush covers the writes that had ended before it began; a durable write is so at its end.
 */
export class EventClock {
  #now = 0;

  get now(): number {
    return this.#now;
  }

  /** The number of an event that happens now; no two have the same. */
  tick(): number {
    this.#now += 1;
    return this.#now;
  }
}

export interface LoggedWrite {
  readonly device: number;
  readonly offset: number;
  readonly data: Uint8Array;
  /** Force-unit-access: durable at its end. */
  readonly durable: boolean;
  readonly begin: number;
  /** Infinity while it is under way. */
  end: number;
}

export interface LoggedFlush {
  readonly device: number;
  readonly begin: number;
  end: number;
}

/** A small file has been replaced: what it holds, and since when that survives. */
export interface LoggedText {
  readonly name: string;
  readonly text: string;
  readonly begin: number;
  end: number;
}

export class DeviceLog {
  readonly clock: EventClock = new EventClock();
  /** In the order of their beginnings. */
  readonly writes: LoggedWrite[] = [];
  readonly flushes: LoggedFlush[] = [];
  readonly texts: LoggedText[] = [];
}
