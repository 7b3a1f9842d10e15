/**
 * Replies in chunks (structured, extended): each part of a long read has a header, behind which an error still has a place, and the stream goes on.
 */
import { describe, expect, it } from "vitest";
import { MAX_WHOLE_BYTES } from "../../../src/base/constants.ts";
import { type Dialect, EXTENDED, STRUCTURED } from "../../../src/nbd/wire/dialect.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { ExportBench } from "../../support/export-bench.ts";
import type { ExportClient } from "../../support/export-client.ts";

const MIB = 2 ** 20;
const LENGTH = MAX_WHOLE_BYTES + MIB + 777;
const OFFSET = 5 * MIB - 1234;
const EIO = 5;
const [NONE, OFFSET_DATA, ERROR] = [0, 1, 0x8001];

interface Chunk {
  readonly done: boolean;
  readonly type: number;
  readonly cookie: number;
  readonly payload: Buffer;
}

function chunksOf(sent: Buffer, isExtended: boolean): Chunk[] {
  const chunks: Chunk[] = [];
  const headerBytes = isExtended ? 32 : 20;
  for (let at = 0; at < sent.length; ) {
    const length = isExtended ? Number(sent.readBigUInt64BE(at + 24)) : sent.readUInt32BE(at + 16);
    const from = at + headerBytes;
    const [flags, type, cookie] = [sent.readUInt16BE(at + 4), sent.readUInt16BE(at + 6), sent.readUInt32BE(at + 12)];
    chunks.push({ done: flags === 1, type, cookie, payload: sent.subarray(from, from + length) });
    at = from + length;
  }
  return chunks;
}

describe.each([
  ["structured", STRUCTURED],
  ["extended", EXTENDED],
] as const)("%s", (name, dialect) => {
  const isExtended = name === "extended";
  const bench = (): ExportBench => new ExportBench({ originBytes: OFFSET + LENGTH + 4096, chunkBytes: 4 * MIB });

  /** As if it had been negotiated. What it is sent from then on. */
  function speaking(of: ExportBench, spoken: Dialect): { client: ExportClient; chunks: () => Chunk[] } {
    const client = of.connect();
    const connection = of.context.connections.find(({ id }) => id === client.id)!;
    connection.dialect = spoken;
    const from = client.socket.sent.length;
    return { client, chunks: () => chunksOf(Buffer.from(client.socket.sent.subarray(from)), isExtended) };
  }

  function ask(client: ExportClient, offset: number, length: number, flags = 0): void {
    const header = Buffer.alloc(isExtended ? 32 : 28);
    header.writeUInt32BE(isExtended ? 0x21e41c71 : 0x25609513, 0);
    header.writeUInt16BE(flags, 4);
    header.writeUInt16BE(Command.Read, 6);
    header.writeUInt32BE(offset % 1000, 12);
    header.writeBigUInt64BE(BigInt(offset), 16);
    if (isExtended) header.writeBigUInt64BE(BigInt(length), 24);
    else header.writeUInt32BE(length, 24);
    client.socket.push(header);
  }

  it("a read in parts is chunks, one behind the other, the last of which says so; together they are what was read", () => {
    const one = bench();
    const { client, chunks } = speaking(one, dialect);
    ask(client, OFFSET, LENGTH);
    one.run();
    const found = chunks();
    expect(found.length).toBeGreaterThan(2);
    expect(new Set(found.map(({ type }) => type))).toEqual(new Set([OFFSET_DATA]));
    expect(found.map(({ done }) => done)).toEqual(found.map((_, i) => i === found.length - 1));
    let at = OFFSET;
    for (const { payload } of found) {
      expect(Number(payload.readBigUInt64BE(0))).toBe(at);
      expect(Buffer.compare(payload.subarray(8), one.origin.subarray(at, at + payload.length - 8))).toBe(0);
      at += payload.length - 8;
    }
    expect(at).toBe(OFFSET + LENGTH);
    expect([one.context.slots.used(), one.context.requests.used()]).toEqual([0, 0]);
  });

  it("who wants no fragments gets one chunk with all of it", () => {
    const one = bench();
    const { client, chunks } = speaking(one, dialect);
    ask(client, OFFSET, LENGTH, CommandFlag.DontFragment);
    one.run();
    const found = chunks();
    expect(found.map(({ done, type, payload }) => [done, type, payload.length])).toEqual([
      [true, OFFSET_DATA, LENGTH + 8],
    ]);
    const { payload } = found[0]!;
    expect(Buffer.compare(payload.subarray(8), one.origin.subarray(OFFSET, OFFSET + LENGTH))).toBe(0);
  });

  it("a part that cannot be read is an error behind the data before it, and the client goes on", () => {
    const one = bench();
    const { client, chunks } = speaking(one, dialect);
    one.ring.fault = ({ op, position }) => (op === IoOp.Read && position >= OFFSET + 8 * MIB ? -EIO : undefined);
    ask(client, OFFSET, LENGTH);
    one.run();
    one.ring.fault = () => undefined;
    ask(client, 512, 512);
    one.run();
    const found = chunks();
    const failed = found.findIndex(({ type }) => type === ERROR);
    expect(failed).toBeGreaterThan(0);
    expect(found.slice(0, failed).every(({ done, type }) => !done && type === OFFSET_DATA)).toBe(true);
    expect([found[failed]!.done, found[failed]!.payload.readUInt32BE(0)]).toEqual([true, EIO]);
    expect(found.slice(failed + 1).map(({ cookie, payload }) => [cookie, payload.length])).toEqual([[512, 520]]);
    expect(one.tokens(Message.ConnectionClosed)).toEqual([]);
    expect([one.context.slots.used(), one.context.requests.used()]).toEqual([0, 0]);
  });

  it("without fragments such a part ends the stream: all was said to be well", () => {
    const one = bench();
    const { client } = speaking(one, dialect);
    one.ring.fault = ({ op, position }) => (op === IoOp.Read && position >= OFFSET + 8 * MIB ? -EIO : undefined);
    ask(client, OFFSET, LENGTH, CommandFlag.DontFragment);
    one.run();
    expect(one.tokens(Message.ConnectionClosed)).toEqual([client.id]);
    expect([one.context.slots.used(), one.context.requests.used()]).toEqual([0, 0]);
  });

  it("a read of nothing is an empty chunk, one that is refused an error", () => {
    const one = bench();
    const { client, chunks } = speaking(one, dialect);
    ask(client, 512, 0);
    ask(client, 513, 2 ** 31);
    one.run();
    expect(chunks().map(({ done, type, cookie }) => [done, type, cookie])).toEqual([
      [true, NONE, 512],
      [true, ERROR, 513],
    ]);
  });
});

it("the next client in a place begins with simple replies again", () => {
  const one = new ExportBench({ originBytes: MIB, chunkBytes: 4096 });
  const first = one.connect();
  const connection = one.context.connections.find(({ id }) => id === first.id)!;
  connection.dialect = EXTENDED;
  first.socket.push(Buffer.from("out of step".padEnd(32)));
  one.run();
  const second = one.connect();
  expect(one.context.connections.find(({ id }) => id === second.id)).toBe(connection);
  const read = second.read(0, 512);
  one.run();
  expect(second.errors()).toEqual({ [read]: 0 });
});
