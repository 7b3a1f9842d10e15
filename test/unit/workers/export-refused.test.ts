/**
 * Writes that are refused: their payload is taken first, and thrown away; then they are answered, and the stream goes on in step.
 */
import { expect, it } from "vitest";
import { MAX_SKIPPED_PAYLOAD_BYTES } from "../../../src/base/constants.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { Message } from "../../../src/ring/messages.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { encodeRequest } from "../../support/export-client.ts";

const SIZE = 2 ** 20;
const [EPERM, EINVAL, ENOSPC] = [1, 22, 28];

interface Refusal {
  readonly why: string;
  readonly offset: number;
  readonly length: number;
  readonly flags?: number;
  readonly error: number;
  readonly readOnly?: boolean;
}

const REFUSALS: readonly Refusal[] = [
  { why: "has unknown flags", offset: 0, length: 100_000, flags: 4, error: EINVAL },
  { why: "goes past the end", offset: SIZE - 512, length: 200_000, error: ENOSPC },
  { why: "begins beyond 2^53", offset: 2 ** 60, length: 70_000, error: ENOSPC },
  { why: "is of a read-only export", offset: 0, length: 40_000, error: EPERM, readOnly: true },
  { why: "is as small as a byte", offset: SIZE, length: 1, error: ENOSPC },
];

it.each(REFUSALS)("a write that $why is answered behind its payload, of which nothing is written", (refusal) => {
  // Answered before its payload had come, it left clients that write all before they read, and others that give such an answer up.
  const { offset, length, flags = 0, error, readOnly = false } = refusal;
  const bench = new ExportBench({ originBytes: SIZE, readOnly });
  const before = Buffer.from(bench.origin);
  const client = bench.connect();
  const payload = dataPattern(length, 3);
  client.socket.push(encodeRequest(Command.Write, offset, length, flags, 77), payload.subarray(0, length - 1));
  bench.run();
  expect(client.replies()).toEqual([]);
  client.socket.push(payload.subarray(length - 1));
  bench.run();
  expect(client.errors()).toEqual({ 77: error });
  const read = client.read(0, 512);
  bench.run();
  expect(client.replies()).toEqual([{ cookie: read, error: 0, data: before.subarray(0, 512) }]);
  expect(Buffer.compare(bench.origin, before)).toBe(0);
  expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
});

it("a large payload that is thrown away holds no memory while it comes", () => {
  const bench = new ExportBench({ originBytes: SIZE });
  const client = bench.connect();
  const part = Buffer.alloc(SIZE);
  client.socket.push(encodeRequest(Command.Write, 512, 4 * SIZE, 0, 1));
  for (let i = 0; i < 4; i++) {
    expect([client.replies(), bench.context.slots.used()]).toEqual([[], 0]);
    client.socket.push(part);
    bench.run();
  }
  expect(client.errors()).toEqual({ 1: ENOSPC });
});

it("one over the limit of sense ends the connection, behind the answers to what was asked before", () => {
  const bench = new ExportBench({ originBytes: SIZE });
  const client = bench.connect();
  const read = client.read(0, 512);
  client.socket.push(encodeRequest(Command.Write, 0, MAX_SKIPPED_PAYLOAD_BYTES + 1, 0, 99), Buffer.alloc(1000));
  bench.run();
  expect(client.errors()).toEqual({ [read]: 0 });
  expect(bench.tokens(Message.ConnectionClosed)).toEqual([client.id]);
});

it("a client that goes in the middle of a refused payload leaves nothing", () => {
  const bench = new ExportBench({ originBytes: SIZE });
  const client = bench.connect();
  client.socket.push(encodeRequest(Command.Write, SIZE, 100_000, 0, 1), Buffer.alloc(1000));
  bench.run();
  client.socket.closed = true;
  bench.run();
  expect(bench.tokens(Message.ConnectionClosed)).toEqual([client.id]);
  expect([bench.context.slots.used(), bench.context.requests.used()]).toEqual([0, 0]);
});
