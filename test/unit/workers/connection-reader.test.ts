/** The reading side of a connection by itself: where what is received goes, when more is asked for, and how reading ends. */
import { beforeEach, describe, expect, it } from "vitest";
import { DIRECT_RECEIVE_BYTES, INBOX_BYTES } from "../../../src/base/constants.ts";
import { FileKind } from "../../../src/device/port.ts";
import { Command, REQUEST_BYTES } from "../../../src/nbd/wire/protocol.ts";
import { COMPLETION_WORDS, IoOp } from "../../../src/ring/io-descriptor.ts";
import type { Connection } from "../../../workers/export/connection.ts";
import { ConnectionReader } from "../../../workers/export/connection-reader.ts";
import { newExport } from "../../../workers/export/exports.ts";
import type { Request } from "../../../workers/export/request.ts";
import { User, USER_INDEX_MASK } from "../../../workers/export/user-words.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { encodeRequest } from "../../support/export-client.ts";
import { FakeSocket } from "../../support/fake-socket.ts";
import { idleHandler } from "../../support/idle-handler.ts";

const MIB = 2 ** 20;
const FD = 77;
const DIRECT = DIRECT_RECEIVE_BYTES;

let bench: ExportBench;
let reader: ConnectionReader;
let connection: Connection;
let socket: FakeSocket;
let requests: Request[];
let asked: number;

/** A client that has entered an export, and is being read. */
beforeEach(() => {
  bench = new ExportBench();
  socket = new FakeSocket();
  [requests, asked] = [[], 0];
  reader = new ConnectionReader(bench.context, bench.ring.arena, {
    request: (request) => void requests.push(request),
    changed: () => {},
    ask: () => void (asked += 1),
  });
  connection = bench.context.connections[0]!;
  connection.begin(1);
  // What another test has left there would be taken for what is written.
  new Uint32Array(bench.ring.arena, connection.receiveVector, 4).fill(0);
  connection.export = newExport("x", 64 * MIB, false, 4096, idleHandler());
  bench.ring.sockets.set(FD, socket);
  bench.ring.setFile(connection.file, FD, FileKind.Socket);
  reader.receive(connection);
});

/** The kernel's turn, and what the reader makes of it. */
function turn(): void {
  const { ring, context } = bench;
  const count = ring.turn(context.submissions.take(), false);
  for (let i = 0; i < count; i++) {
    const [user, result] = ring.completions.slice(i * COMPLETION_WORDS, (i + 1) * COMPLETION_WORDS);
    if ((user! & ~USER_INDEX_MASK) === User.Receive) reader.received(connection, result!);
    else if ((user! & ~USER_INDEX_MASK) === User.Cancel) reader.cancelled(connection);
  }
}

/** So many bytes of a write of `length` come, from its header on. */
function comes(length: number, bytes: number): void {
  const all = Buffer.concat([encodeRequest(Command.Write, 0, length, 0, 1), dataPattern(length, 3)]);
  socket.push(all.subarray(0, bytes));
  turn();
}

/** What the kernel has been asked for since the last call. */
function submitted(op: IoOp): number {
  bench.ring.log.length = 0;
  bench.ring.turn(bench.context.submissions.take(), false);
  return bench.ring.log.filter((operation) => operation.op === op).length;
}

/** The receive that is asked for next: [address, bytes] of each place that it fills. */
function nextReceive(): number[][] {
  bench.ring.log.length = 0;
  bench.ring.turn(bench.context.submissions.take(), false);
  const [operation, ...more] = bench.ring.log.filter(({ op }) => op === IoOp.Receive || op === IoOp.ReceiveVector);
  expect(more).toEqual([]);
  if (operation === undefined) return [];
  const { op, address, length } = operation;
  if (op === IoOp.Receive) return [[address, length]];
  const words = new Uint32Array(bench.ring.arena, address, 2 * length);
  return Array.from({ length }, (_, i) => [words[2 * i]!, words[2 * i + 1]!]);
}

describe("what is received", () => {
  it("of a payload's long rest goes straight into its slot, and what is behind it into the inbox", () => {
    comes(2 * DIRECT, REQUEST_BYTES + DIRECT);
    const { memory } = connection.receiving!;
    expect(nextReceive()).toEqual([
      [memory + DIRECT, DIRECT],
      [connection.inbox, INBOX_BYTES],
    ]);
  });

  it("of a rest that is a byte shorter goes into the inbox", () => {
    comes(2 * DIRECT, REQUEST_BYTES + DIRECT + 1);
    expect(nextReceive()).toEqual([[connection.inbox, INBOX_BYTES]]);
  });

  it("behind a piece of a header leaves that in front", () => {
    socket.push(encodeRequest(Command.Flush, 0, 0, 0, 1), encodeRequest(Command.Flush, 0, 0, 0, 2).subarray(0, 10));
    turn();
    expect([requests.length, connection.readAt, connection.writtenTo]).toEqual([1, 0, 10]);
    expect(nextReceive()).toEqual([[connection.inbox + 10, INBOX_BYTES - 10]]);
    socket.push(encodeRequest(Command.Flush, 0, 0, 0, 2).subarray(10));
    turn();
    expect(requests.map(({ cookieLow }) => cookieLow)).toEqual([1, 2]);
  });
});

describe("reading ends", () => {
  it("with an error: then nothing can be sent, either", () => {
    socket.gone = true;
    turn();
    expect([connection.ending, connection.broken, connection.atEnd]).toEqual([true, true, false]);
  });

  it("where nothing more comes; who has nothing under way is not asked whether he still reads", () => {
    socket.ended = true;
    turn();
    expect([connection.ending, connection.broken, asked]).toEqual([true, false, 0]);
  });

  it("where nothing more comes, and what he has asked for is not done: then he is asked", () => {
    socket.push(encodeRequest(Command.Flush, 0, 0, 0, 1));
    turn();
    connection.requests = 1;
    socket.ended = true;
    turn();
    expect([connection.ending, asked]).toEqual([true, 1]);
  });

  it("when all is parsed that came before the end, without another receive", () => {
    connection.stalled = true;
    socket.ended = true;
    turn();
    expect([connection.atEnd, connection.ending]).toEqual([true, false]);
    reader.receive(connection);
    expect([nextReceive(), connection.ending]).toEqual([[], false]);
    connection.stalled = false;
    reader.receive(connection);
    expect([nextReceive(), connection.ending]).toEqual([[], true]);
  });

  it("once: the receive under way is cancelled by the first who ends it, and none where there is none", () => {
    turn();
    for (let i = 0; i < 2; i++) reader.end(connection);
    expect([submitted(IoOp.Cancel), connection.cancels]).toEqual([1, 1]);
    connection.reset();
    connection.receivePosted = false;
    reader.end(connection);
    expect([submitted(IoOp.Cancel), connection.cancels]).toEqual([0, 1]);
  });

  it.each([
    ["DISC is a goodbye", Command.Disconnect, 0, true],
    ["what cannot be understood is none", Command.Write, 2 ** 32 - 1, false],
  ])("with what is sent: %s", (_, command, length, said) => {
    socket.push(encodeRequest(command, 0, length, 0, 1));
    turn();
    expect([connection.ending, connection.saidGoodbye, requests]).toEqual([true, said, []]);
  });
});
