/**
 * Whose turn it is among requests that carry no data: as many bytes and pieces as may be under way, in the order of arrival, one connection after the
 * other.
 */
import { beforeEach, describe, expect, it } from "vitest";
import {
  LONG_PIECES_AT_ONCE,
  MAX_LONG_BYTES_PER_CONNECTION,
  MAX_LONG_PIECES_PER_CONNECTION,
  MAX_LONG_PIECES_PER_WORKER,
} from "../../../src/base/constants.ts";
import { Connection } from "../../../workers/export/connection.ts";
import { isLong, LongRequests } from "../../../workers/export/long-requests.ts";
import { Piece, PieceKind } from "../../../workers/export/piece.ts";
import { Operation, Request } from "../../../workers/export/request.ts";
import { idleHandler } from "../../support/idle-handler.ts";
import { requestHeader } from "../../support/request-header.ts";

const OWNER = { index: 0, volume: { number: 0 }, slot: -1, durable: false, noHole: false };
let handler = idleHandler();

let requests = 0;

beforeEach(() => {
  handler = idleHandler();
});

function newRequest(operation: Operation = Operation.Zero): Request {
  const request = new Request(requests++);
  request.begin(0, handler, operation, requestHeader(0, 512), 0);
  return request;
}

/** A piece of so many bytes that is under way. */
function beginPiece(long: LongRequests, connection: Connection, bytes: number): Piece {
  const request = newRequest();
  const piece = new Piece(0);
  piece.begin(OWNER, PieceKind.Zero, 0, bytes, -1);
  long.began(piece, request, connection);
  return piece;
}

/** Two connections of which the first has all that it may have. */
function crowded(): { long: LongRequests; full: Connection; free: Connection; under: Piece } {
  const long = new LongRequests();
  const [full, free] = [new Connection(0, 0), new Connection(1, 0)];
  const under = beginPiece(long, full, MAX_LONG_BYTES_PER_CONNECTION);
  return { long, full, free, under };
}

/** Requests that go on in one turn. Each begins nothing further, unless `advance` says otherwise. */
function resumed(long: LongRequests, advance: (request: Request) => void = () => {}): Request[] {
  const went: Request[] = [];
  const goOn = (request: Request): void => {
    went.push(request);
    advance(request);
  };
  long.resume(goOn);
  return went;
}

describe("a request", () => {
  it("is long where it carries no data", () => {
    const long = Object.values(Operation).filter((operation) => isLong(newRequest(operation)));
    expect(long).toEqual([Operation.Zero, Operation.Trim]);
  });

  it("waits where its connection has as many bytes under way as it may, and others do not", () => {
    const { long, full, free, under } = crowded();
    const waits = newRequest();
    expect([long.mayBegin(waits, full), waits.deferred, full.longWaiting]).toEqual([false, true, [waits]]);
    const other = newRequest();
    expect([long.mayBegin(other, free), other.deferred]).toEqual([true, false]);
    expect(long.canResume).toBe(false);
    long.ended(under, newRequest(), full);
    expect([long.canResume, full.longBytes, full.longPieces, under.longBytes]).toEqual([true, 0, 0, 0]);
    expect([handler.share.longBytes, handler.share.longPieces]).toEqual([0, 0]);
  });

  /** As many pieces of a byte as the connection may begin. */
  function beginAll(long: LongRequests, connection: Connection): number {
    let begun = 0;
    for (; long.mayBegin(newRequest(), connection); begun++) beginPiece(long, connection, 1);
    return begun;
  }

  it("waits likewise for pieces", () => {
    expect(beginAll(new LongRequests(), new Connection(0, 0))).toBe(MAX_LONG_PIECES_PER_CONNECTION);
  });

  it("of one export leaves room for those of another, whoever sends them: a device that hangs ends none of its own", () => {
    const long = new LongRequests();
    let begun = 0;
    for (let i = 0; i < 20; i++) begun += beginAll(long, new Connection(i, 0));
    expect(begun).toBeGreaterThan(MAX_LONG_PIECES_PER_WORKER / 2);
    expect(begun).toBeLessThan(MAX_LONG_PIECES_PER_WORKER);
    handler = idleHandler();
    expect(beginAll(long, new Connection(20, 0))).toBeGreaterThan(MAX_LONG_PIECES_PER_WORKER / 16);
  });

  it("waits behind those of its connection that came before, though there is room", () => {
    const { long, full, under } = crowded();
    const [first, second] = [newRequest(), newRequest()];
    expect(long.mayBegin(first, full)).toBe(false);
    long.ended(under, newRequest(), full);
    expect([long.mayBegin(second, full), full.longWaiting]).toEqual([false, [first, second]]);
    first.deferred = false;
    expect(long.mayBegin(first, full)).toBe(true);
    expect(resumed(long)).toEqual([first, second]);
    expect([full.longWaiting, long.canResume]).toEqual([[], false]);
  });

  it("that still finds no room keeps its place, and is in the list once", () => {
    const { long, full, free, under } = crowded();
    const [first, second] = [newRequest(), newRequest()];
    long.mayBegin(first, full);
    long.mayBegin(second, full);
    long.ended(under, newRequest(), full);
    const again = resumed(long, (request) => {
      beginPiece(long, full, MAX_LONG_BYTES_PER_CONNECTION);
      long.mayBegin(request, full);
    });
    expect(again).toEqual([first]);
    expect([full.longWaiting, first.deferred]).toEqual([[first, second], true]);
    // One that may not go on, and one that may: some of them can.
    beginPiece(long, free, MAX_LONG_BYTES_PER_CONNECTION);
    long.mayBegin(newRequest(), free);
    expect(long.canResume).toBe(false);
    free.longBytes = 0;
    expect(long.canResume).toBe(true);
    free.longBytes = MAX_LONG_BYTES_PER_CONNECTION;
    full.broken = true;
    expect(long.canResume).toBe(true);
    expect(resumed(long)).toEqual([first, second]);
    // It would be asked for a request that it has not.
    full.broken = false;
    full.longBytes = 0;
    expect(long.canResume).toBe(false);
  });
});

describe("pieces that end at once", () => {
  it("are so many in one turn; who has no turn then is the first in the next", () => {
    const long = new LongRequests();
    const [one, other] = [new Connection(0, 0), new Connection(1, 0)];
    for (let n = 0; n < LONG_PIECES_AT_ONCE; n++) {
      expect(long.mayBegin(newRequest(Operation.Trim), one)).toBe(true);
      long.endedAtOnce();
    }
    const [first, second] = [newRequest(Operation.Trim), newRequest(Operation.Trim)];
    expect([long.mayBegin(first, one), long.mayBegin(second, other)]).toEqual([false, false]);
    expect(long.canResume).toBe(true);
    const went = resumed(long, () => {
      for (let n = 0; n < LONG_PIECES_AT_ONCE; n++) long.endedAtOnce();
    });
    expect(went).toEqual([first]);
    expect(resumed(long)).toEqual([second]);
    expect(resumed(long)).toEqual([]);
  });
});

describe("what a client leaves is another's", () => {
  it("with what is under way, and with those that wait behind his", () => {
    const { long, full, free, under } = crowded();
    const [mine, his] = [newRequest(), newRequest()];
    long.mayBegin(mine, full);
    const other = beginPiece(long, free, MAX_LONG_BYTES_PER_CONNECTION);
    long.mayBegin(his, free);
    long.handOver(full, free);
    expect([full.longBytes, full.longPieces, full.longWaiting]).toEqual([0, 0, []]);
    expect([free.longBytes, free.longPieces]).toEqual([2 * MAX_LONG_BYTES_PER_CONNECTION, 2]);
    expect(free.longWaiting).toEqual([his, mine]);
    for (const piece of [under, other]) long.ended(piece, newRequest(), free);
    expect([resumed(long), long.canResume]).toEqual([[his, mine], false]);
  });

  it("who had none takes his place in the line", () => {
    const { long, full, free } = crowded();
    const [heir, last] = [new Connection(2, 0), new Connection(3, 0)];
    const [mine, lasts] = [newRequest(), newRequest()];
    long.mayBegin(mine, full);
    beginPiece(long, last, MAX_LONG_BYTES_PER_CONNECTION);
    long.mayBegin(lasts, last);
    long.handOver(full, heir);
    // Who waits for nothing leaves no place.
    long.handOver(free, heir);
    expect([heir.longWaiting, resumed(long)]).toEqual([[mine], []]);
    for (const connection of [heir, last]) connection.broken = true;
    expect(resumed(long)).toEqual([mine, lasts]);
  });
});
