/**
 * The record of a connection: what it is doing, whose time is over, and that the next client finds it as new.
 */
import { describe, expect, it } from "vitest";
import { MAX_CONNECTIONS_PER_WORKER, MAX_SEND_BYTES } from "../../../src/base/constants.ts";
import { FIRST_CONNECTION_FILE } from "../../../src/ring/file-table.ts";
import { CONNECTION_BYTES } from "../../../src/ring/export-arena.ts";
import { CloseCause } from "../../../src/ring/messages.ts";
import { Connection } from "../../../workers/export/connection.ts";
import { Operation, Request } from "../../../workers/export/request.ts";
import { USER_INDEX_MASK } from "../../../workers/export/user-words.ts";
import { IDLE_HANDLER } from "../../support/idle-handler.ts";
import { requestHeader } from "../../support/request-header.ts";

const LIMIT = 1000;

function begun(): Connection {
  const connection = new Connection(3, 1 << 20);
  connection.begin(17);
  return connection;
}

/** A write whose payload is coming, begun at 100 ms. */
function receiving(): Request {
  const request = new Request(0);
  request.begin(3, IDLE_HANDLER, Operation.Write, requestHeader(4096, 8 * 2 ** 20), 0);
  request.slot = 0;
  request.startedAt = 100;
  return request;
}

describe("a connection", () => {
  it("has a file and parts of the arena of its own", () => {
    const { file, inbox, receiveVector, sendVector, output } = begun();
    expect([file, inbox]).toEqual([FIRST_CONNECTION_FILE + 3, (1 << 20) + 3 * CONNECTION_BYTES]);
    const places = [inbox, receiveVector, sendVector, output, inbox + CONNECTION_BYTES];
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(new Set(places).size).toBe(5);
  });

  it("has another tag for each client, from which its index is told, within what a user word takes", () => {
    const connection = begun();
    const tags = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      connection.begin(i);
      expect(connection.tag % MAX_CONNECTIONS_PER_WORKER).toBe(3);
      tags.add(connection.tag);
    }
    expect(tags.size).toBe(1000);
    connection.tag = USER_INDEX_MASK + 1 - MAX_CONNECTIONS_PER_WORKER + 3;
    connection.begin(5);
    expect(connection.tag).toBe(3);
  });

  it("is named by the kernel while anything of it is under way", () => {
    const connection = begun();
    expect(connection.isPosted).toBe(false);
    for (const what of ["receivePosted", "sendPosted", "askPosted"] as const) {
      connection[what] = true;
      expect(connection.isPosted).toBe(true);
      connection[what] = false;
    }
    connection.cancels = 1;
    expect(connection.isPosted).toBe(true);
  });

  it("waits for room or for a part, and gives up when it is broken and has not said goodbye, or main has ended", () => {
    const connection = begun();
    expect([connection.waits, connection.givesUp]).toEqual([false, false]);
    connection.stalled = true;
    expect(connection.waits).toBe(true);
    connection.stalled = false;
    connection.partUnderWay = true;
    expect(connection.waits).toBe(true);
    connection.broken = true;
    expect(connection.givesUp).toBe(true);
    connection.saidGoodbye = true;
    expect(connection.givesUp).toBe(false);
    connection.abandoned = true;
    expect(connection.givesUp).toBe(true);
    connection.broken = false;
    expect(connection.givesUp).toBe(true);
  });
});

describe("the time of a client is over", () => {
  it("when a send of his has been under way for longer, and not of a place that nobody has", () => {
    const connection = begun();
    connection.sendAt = 100;
    expect(connection.isOverdue(5000, LIMIT)).toBe(false);
    connection.sendPosted = true;
    expect([1100, 1101].map((now) => connection.isOverdue(now, LIMIT))).toEqual([false, true]);
    connection.id = -1;
    expect(connection.isOverdue(5000, LIMIT)).toBe(false);
  });

  it("when a payload that has a slot has been coming for longer, for each 2 MiB that have come", () => {
    const connection = begun();
    const request = receiving();
    connection.receiving = request;
    expect([1100, 1101].map((now) => connection.isOverdue(now, LIMIT))).toEqual([false, true]);
    connection.received = MAX_SEND_BYTES;
    expect([2100, 2101].map((now) => connection.isOverdue(now, LIMIT))).toEqual([false, true]);
    // Of a later part: what came before counts, too.
    request.offset = request.first + 2 * MAX_SEND_BYTES;
    expect([4100, 4101].map((now) => connection.isOverdue(now, LIMIT))).toEqual([false, true]);
    connection.partUnderWay = true;
    expect(connection.isOverdue(9000, LIMIT)).toBe(false);
    connection.partUnderWay = false;
    request.slot = -1;
    expect(connection.isOverdue(9000, LIMIT)).toBe(false);
  });
});

it("the next client finds a record as new, but for its generation", () => {
  const connection = begun();
  Object.assign(connection, {
    ...{ readAt: 1, writtenTo: 2, receiving: receiving(), payload: 3, received: 4, partUnderWay: true, stalled: true },
    ...{
      waitsForOthers: true,
      waitsFor: 1,
      hasRead: true,
      replyAt: 5,
      streaming: receiving(),
      atEnd: true,
      ending: true,
    },
    ...{ broken: true, abandoned: true, saidGoodbye: true, askedAt: 6, cause: CloseCause.Transfer },
  });
  connection.reset();
  const { tag, ...rest } = { ...connection };
  const { tag: first, ...fresh } = { ...new Connection(3, 1 << 20) };
  expect(rest).toEqual(fresh);
  expect(tag).not.toBe(first);
});
