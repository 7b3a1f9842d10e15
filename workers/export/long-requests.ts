/**
 * Zeroes and trims: requests that carry no data, so that a few bytes on the wire ask for gigabytes of work.
 *
 *   a connection's requests    A ▓▓▓▓▓▓▓░░░░░░░░   B ░░░░░░░   C ░░░      ▓ begun    ░ waits, in the order of arrival
 *                                      ▲ as many bytes as may be under way
 *
 * Nothing else bounds them as payloads and slots bound reads and writes. So a connection, and a worker, have so many bytes of them
 * under way at a time, and so many pieces, for what one costs is not only its length, and none of them takes what an export may have (export-share.ts); beyond that the first of a connection's requests
 * goes on alone, and connections take turns. Pieces that end as soon as they are looked at (a trim of
 * nothing) take only time, and so many of them have it in one turn of the worker.
 */
import { assert } from "../../src/base/assert.ts";
import {
  LONG_PIECES_AT_ONCE,
  MAX_LONG_BYTES_PER_CONNECTION,
  MAX_LONG_BYTES_PER_WORKER,
  MAX_LONG_PIECES_PER_CONNECTION,
  MAX_LONG_PIECES_PER_WORKER,
} from "../../src/base/constants.ts";
import type { Connection } from "./connection.ts";
import { handlerOf } from "./context.ts";
import { mayHave } from "./export-share.ts";
import type { Piece } from "./piece.ts";
import { Operation, type Request } from "./request.ts";

export class LongRequests {
  /** Connections with requests that wait for their turn, each once. */
  readonly #waiting: Connection[] = [];
  #bytes = 0;
  #pieces = 0;
  /** Pieces of this turn that ended as soon as they were looked at. */
  #atOnce = 0;

  /** True: the request's next piece may begin. False: the request waits in its connection's list, and goes on only from there. */
  mayBegin(request: Request, connection: Connection): boolean {
    const { longWaiting } = connection;
    const first = longWaiting.length === 0 || longWaiting[0] === request;
    if (first && this.#mayBegin && this.#hasRoom(connection, request)) return true;
    if (longWaiting.length === 0) this.#waiting.push(connection);
    if (longWaiting[0] !== request) longWaiting.push(request);
    request.deferred = true;
    return false;
  }

  /** A piece has begun, and is under way. */
  began(piece: Piece, request: Request, connection: Connection): void {
    assert(piece.longBytes === 0, "a piece counts twice");
    const { share } = handlerOf(request);
    piece.longBytes = piece.length;
    share.longBytes += piece.length;
    share.longPieces += 1;
    connection.longBytes += piece.length;
    connection.longPieces += 1;
    this.#bytes += piece.length;
    this.#pieces += 1;
  }

  /** A piece has begun and ended at once. */
  endedAtOnce(): void {
    this.#atOnce += 1;
  }

  /** A piece has ended. */
  ended(piece: Piece, request: Request, connection: Connection): void {
    const { share } = handlerOf(request);
    share.longBytes -= piece.longBytes;
    share.longPieces -= 1;
    connection.longBytes -= piece.longBytes;
    connection.longPieces -= 1;
    this.#bytes -= piece.longBytes;
    this.#pieces -= 1;
    piece.longBytes = 0;
    assert(connection.longBytes >= 0 && connection.longPieces >= 0, "a client ended more zeroes than it began");
    assert(this.#bytes >= 0 && this.#pieces >= 0, "a worker ended more zeroes than it began");
  }

  /** The requests of a connection are another's: those that wait do so behind his. */
  handOver(from: Connection, to: Connection): void {
    to.longBytes += from.longBytes;
    to.longPieces += from.longPieces;
    from.longBytes = 0;
    from.longPieces = 0;
    const at = this.#waiting.indexOf(from);
    if (at === -1) return;
    if (this.#waiting.includes(to)) this.#waiting.splice(at, 1);
    else this.#waiting[at] = to;
    for (const request of from.longWaiting) to.longWaiting.push(request);
    from.longWaiting.length = 0;
  }

  /** Somebody waits who could go on. */
  get canResume(): boolean {
    const waiting = this.#waiting;
    return waiting.length > 0 && waiting.some((connection) => this.#goesOn(connection));
  }

  /** Once in a turn: let requests go on that waited. */
  resume(advance: (request: Request) => void): void {
    this.#atOnce = 0;
    const waiting = this.#waiting;
    // Those who have no turn in this one, or may have none, are the first in the next.
    for (let n = waiting.length, at = 0; n > 0 && (this.#mayBegin || waiting[at].givesUp); n--) {
      const connection = waiting[at];
      if (!this.#goesOn(connection)) {
        at += 1;
        continue;
      }
      waiting.splice(at, 1);
      this.#resumeOne(connection, advance);
      if (connection.longWaiting.length > 0) waiting.push(connection);
    }
  }

  #resumeOne(connection: Connection, advance: (request: Request) => void): void {
    const { longWaiting } = connection;
    while (longWaiting.length > 0 && this.#goesOn(connection)) {
      const request = longWaiting[0];
      request.deferred = false;
      advance(request);
      if (request.deferred) return;
      longWaiting.shift();
    }
  }

  /** The first of its requests that wait. */
  #goesOn(connection: Connection): boolean {
    return connection.givesUp || this.#hasRoom(connection, connection.longWaiting[0]);
  }

  get #mayBegin(): boolean {
    return this.#atOnce < LONG_PIECES_AT_ONCE;
  }

  #hasRoom({ longBytes, longPieces }: Connection, request: Request): boolean {
    if (longBytes >= MAX_LONG_BYTES_PER_CONNECTION || longPieces >= MAX_LONG_PIECES_PER_CONNECTION) return false;
    const { share } = handlerOf(request);
    return (
      mayHave(MAX_LONG_BYTES_PER_WORKER - this.#bytes, share.longBytes, longBytes) &&
      mayHave(MAX_LONG_PIECES_PER_WORKER - this.#pieces, share.longPieces, longPieces)
    );
  }
}

export function isLong(request: Request): boolean {
  return request.operation === Operation.Zero || request.operation === Operation.Trim;
}
