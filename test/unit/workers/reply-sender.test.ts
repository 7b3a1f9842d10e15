/** The sending side of a connection by itself: what leaves in one send, in which order, and what becomes of that which does not. */
import { beforeEach, describe, expect, it } from "vitest";
import { MAX_SEND_BYTES, MAX_SEND_REST_BYTES, REPLY_BYTES_MAX } from "../../../src/base/constants.ts";
import { FileKind } from "../../../src/device/port.ts";
import { Handshake } from "../../../src/nbd/wire/handshake.ts";
import { GREETING_BYTES, SIMPLE_REPLY_BYTES } from "../../../src/nbd/wire/protocol.ts";
import { EXPORT_HEADERS } from "../../../src/ring/export-arena.ts";
import { COMPLETION_WORDS } from "../../../src/ring/io-descriptor.ts";
import { SlotFit } from "../../../src/ring/slots.ts";
import type { Connection } from "../../../workers/export/connection.ts";
import { Exports } from "../../../workers/export/exports.ts";
import { requestOwner } from "../../../workers/export/owned-slots.ts";
import { ReplySender } from "../../../workers/export/reply-sender.ts";
import { Operation, type Request } from "../../../workers/export/request.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { FakeSocket } from "../../support/fake-socket.ts";
import { idleHandler } from "../../support/idle-handler.ts";
import { requestHeader } from "../../support/request-header.ts";

const [KIB, MIB] = [1024, 1024 * 1024];
const [EIO, EPIPE] = [5, 32];
const FD = 77;

const handler = idleHandler();
let bench: ExportBench;
let sender: ReplySender;
let connection: Connection;
let socket: FakeSocket;
/** Requests of which a part has left, and how often a handshake's words have. */
let parts: Request[];
let handshakes: number;

beforeEach(() => {
  bench = new ExportBench();
  socket = new FakeSocket();
  [parts, handshakes] = [[], 0];
  sender = new ReplySender(bench.context, bench.ring.arena, EXPORT_HEADERS, {
    partSent: (request) => void parts.push(request),
    handshakeSent: () => void (handshakes += 1),
  });
  connection = bench.context.connections[0]!;
  connection.begin(1);
  bench.ring.sockets.set(FD, socket);
  bench.ring.setFile(connection.file, FD, FileKind.Socket);
});

let cookies = 0;
beforeEach(() => (cookies = 0));

/** A request of no data that has ended; the first one's cookie is 1. */
function ended(error = 0): Request {
  const { context } = bench;
  const request = context.requests.take()!;
  const header = requestHeader(0, 0, ++cookies);
  request.begin(connection.index, handler, Operation.Flush, header, error);
  connection.requests += 1;
  handler.share.requests += 1;
  handler.volume.requests += 1;
  return request;
}

/** A read whose data is in its slot. */
function read(length: number): Request {
  const request = ended();
  request.operation = Operation.Read;
  [request.end, request.last] = [length, length];
  const { context } = bench;
  const slot = context.takeSlot(length, requestOwner(request.index), SlotFit.Smallest, handler.share, connection);
  request.hold(slot, length, context.slots.address(slot));
  connection.heldBytes += length;
  return request;
}

/** The end of a turn: who was looked at. */
function flush(): number[] {
  const settled: number[] = [];
  sender.flush(({ index }) => settled.push(index));
  return settled;
}

/** The kernel's turn: the bytes that each completion tells of. */
function turn(): number[] {
  const { ring, context } = bench;
  const count = ring.turn(context.submissions.take(), false);
  return Array.from({ length: count }, (_, i) => ring.completions[i * COMPLETION_WORDS + 1]!);
}

/** Turns until nothing is sent any more: the bytes of each send. */
function sends(): number[] {
  const all: number[] = [];
  for (;;) {
    flush();
    if (!connection.sendPosted) return all;
    const [bytes] = turn();
    all.push(bytes!);
    sender.sent(connection, bytes!);
  }
}

function cookieAt(at: number): number {
  return socket.sent.readUInt32BE(at + 12);
}

describe("a connection", () => {
  it("that has several things to send is looked at once in a turn", () => {
    for (let i = 0; i < 2; i++) sender.reply(ended());
    expect([flush(), flush()]).toEqual([[0], []]);
    sender.changed(connection);
    expect(flush()).toEqual([0]);
  });

  it("has read a reply when one has left, not when the words of its handshake have", () => {
    sender.reply(ended());
    sends();
    expect([connection.hasRead, handshakes]).toEqual([true, 0]);
    connection.reset();
    connection.handshake = new Handshake(new Exports("volume"));
    sender.changed(connection);
    const before = socket.sent.length;
    expect(sends()).toEqual([GREETING_BYTES]);
    // From its own place, where the send before was one of a reply.
    expect(socket.sent.subarray(before, before + 8).toString()).toBe("NBDMAGIC");
    expect([connection.hasRead, handshakes]).toEqual([false, 1]);
  });

  it.each([
    ["fails", -EPIPE],
    ["is short", SIMPLE_REPLY_BYTES - 1],
  ])("of which a send %s has read nothing, and can be sent nothing more", (_, result) => {
    sender.reply(ended());
    flush();
    sender.sent(connection, result);
    expect([connection.broken, connection.hasRead, bench.context.requests.used()]).toEqual([true, false, 0]);
  });

  it("that is cut is sent nothing of what waits, and cancels no send that is not under way", () => {
    sender.reply(ended());
    sender.cut(connection);
    flush();
    expect([turn(), connection.cancels, bench.context.requests.used()]).toEqual([[], 0, 0]);
  });
});

describe("a send", () => {
  it("takes the headers of replies without data from where their records' numbers say", () => {
    const requests = [ended(EIO), ended(), ended(EIO)];
    for (const request of requests) sender.reply(request);
    flush();
    const words = new Uint32Array(bench.ring.arena, connection.sendVector, 2 * requests.length);
    const expected = requests.map(({ index }) => [EXPORT_HEADERS + index * REPLY_BYTES_MAX, SIMPLE_REPLY_BYTES]);
    expect([...words]).toEqual(expected.flat());
    expect(new Set(requests.map(({ index }) => index)).size).toBe(requests.length);
  });

  it("that is full takes nothing more, be it ever so little", () => {
    for (let i = 0; i < 2; i++) sender.reply(read(MAX_SEND_BYTES / 2 - SIMPLE_REPLY_BYTES));
    sender.reply(ended());
    expect(sends()).toEqual([MAX_SEND_BYTES, SIMPLE_REPLY_BYTES]);
  });

  it("takes the rest of a reply with it where that is short, and not where it is a byte longer", () => {
    const most = MAX_SEND_BYTES + MAX_SEND_REST_BYTES;
    sender.reply(read(most - SIMPLE_REPLY_BYTES));
    expect(sends()).toEqual([most]);
    sender.reply(read(most + 1 - SIMPLE_REPLY_BYTES));
    expect(sends()).toEqual([MAX_SEND_BYTES, MAX_SEND_REST_BYTES + 1]);
  });

  it("ends within the reply that does not fit behind others, and the next one goes on there", () => {
    for (let i = 0; i < 3; i++) sender.reply(read(900 * KIB));
    expect(sends()).toEqual([MAX_SEND_BYTES, 3 * (900 * KIB + SIMPLE_REPLY_BYTES) - MAX_SEND_BYTES]);
    expect(bench.context.slots.used()).toBe(0);
  });
});

describe("the next part of a read", () => {
  /** Its first part has left. */
  function streaming(): Request {
    const request = read(MIB);
    request.last = 2 * MIB;
    sender.reply(request);
    expect([sends(), parts]).toEqual([[MIB + SIMPLE_REPLY_BYTES], [request]]);
    return request;
  }

  it.each([0, 2])("leaves before the %i replies that wait, and what comes later behind them", (waiting) => {
    const request = streaming();
    for (let i = 0; i < waiting; i++) sender.reply(ended());
    sender.reply(request);
    sender.reply(ended());
    const from = socket.sent.length + MIB;
    expect(sends()).toEqual([MIB + (waiting + 1) * SIMPLE_REPLY_BYTES]);
    const order = Array.from({ length: waiting + 1 }, (_, i) => cookieAt(from + i * SIMPLE_REPLY_BYTES));
    expect(order).toEqual(waiting === 0 ? [2] : [2, 3, 4]);
    expect([bench.context.requests.used(), connection.requests]).toEqual([0, 0]);
  });
});
