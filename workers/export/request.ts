/**
 * A client's request, from its header to its reply.
 *
 * Requests are pooled records: taken when a header has been parsed, given back when the reply has left. A request
 * becomes one or more pieces (piece.ts); it ends when its cursor is at its end and no piece is under way.
 *
 *   offset          cursor                end
 *   ├── pieces under way or done ──┼── not begun ──┤
 */
import type { Connection } from "./connection.ts";
import type { ExportHandler } from "./handler.ts";

/** What a request does, once the NBD command and its flags are understood. */
export const Operation = {
  Read: 0,
  Write: 1,
  Zero: 2,
  Trim: 3,
  Flush: 4,
  /** CACHE, and requests of no length: nothing to do but to reply. */
  Nothing: 5,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

export class Request {
  readonly index: number;
  connection: Connection | null = null;
  handler: ExportHandler | null = null;
  operation: Operation = Operation.Nothing;
  /** FUA: durable, its exceptions included, before the reply. */
  durable = false;
  /** NO_HOLE on write zeroes. */
  noHole = false;
  cookieLow = 0;
  cookieHigh = 0;
  /** Volume bytes; of a payload that comes or goes part by part (parts.ts), those of the part. */
  offset = 0;
  end = 0;
  /** Volume bytes of all of it: where its first part begins and its last one ends. */
  first = 0;
  last = 0;
  cursor = 0;
  /** Arena address of the byte at `offset`; -1 where the request carries no data. */
  memory = -1;
  slot = -1;
  /** Payload bytes that the slot was taken for. */
  slotBytes = 0;
  pieces = 0;
  /** It found no piece, and stands in the context's list of those. */
  starved = false;
  /** Zeroes or a trim: it waits for its turn, and stands in its connection's list (long-requests.ts). */
  deferred = false;
  /** 0, or the first error (positive). */
  error = 0;
  /** The data is done and the last step, making it durable, has begun. */
  finishing = false;
  startedAt = 0;
  /** In the connection's list of replies. */
  next: Request | null = null;

  constructor(index: number) {
    this.index = index;
  }
}
