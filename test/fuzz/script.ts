/**
 * What one hostile connection does: a stream of bytes, how it is cut into sends, and how it ends.
 *
 *   stream  ├───────┼──┼─┼────────────────┼ ─ ─ ─ ─ ─ ┤
 *           sends, with pauses between     └ stops here, then vanishes, half-closes, or lingers
 */
export interface Script {
  readonly stream: Buffer;
  /** Ends of the sends, ascending; the last one is where the client stops. */
  readonly sends: readonly number[];
  /** Milliseconds between sends; 0: as fast as it goes. */
  readonly pauseMs: number;
  /** vanish: close at once. finish: half-close, and read to the end. linger: say nothing for a while, then close. */
  readonly end: "vanish" | "finish" | "linger";
  /** It waits for the answer to each option before it goes on, as a client should. */
  readonly polite: boolean;
  /** It never reads. */
  readonly deaf: boolean;
  readonly tcp: boolean;
  /** What it is about, for the report of a failure. */
  readonly what: string;
}

/** A hand-made stream in one send, on a Unix socket, read to its end. */
export function plainScript(what: string, stream: Buffer, changes: Partial<Script> = {}): Script {
  return {
    stream,
    sends: [stream.length],
    pauseMs: 0,
    end: "finish",
    polite: true,
    deaf: false,
    tcp: false,
    what,
    ...changes,
  };
}
