/**
 * The three dialects of the built server, spoken by a client that shares no code with it: the same requests have the same effects in each, and what only one
 * of them can say is said.
 */
import { truncateSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch } from "../support/free-socket.ts";
import { Cmd, CmdFlag, NbdClient, Transmission } from "../support/nbd-client.ts";
import type { DialectName } from "../support/nbd-reply.ts";
import { killServers, Server } from "../support/server.ts";
import { MIB, Volume } from "../support/volume.ts";

const GIB = 1024 * MIB;
const SIZE = 80 * MIB;
const LARGE = 40 * MIB;
const [EPERM, EIO, EINVAL, ENOSPC] = [1, 5, 22, 28];

let volume: Volume;

beforeAll(async () => {
  volume = await Volume.create({ sizeBytes: SIZE, filledBytes: 2 * MIB });
});

afterAll(async () => {
  await killServers();
  await volume.scratch.remove();
});

function open(dialect: DialectName, name = ""): Promise<NbdClient> {
  return NbdClient.open(volume.server.address, name, dialect);
}

describe.each(["simple", "structured", "extended"] as const)("%s", (dialect) => {
  const hasChunks = dialect !== "simple";

  test("reads, writes, zeroes, trims and flushes as any other", async () => {
    const client = await open(dialect);
    expect((client.flags & Transmission.SendDf) !== 0).toBe(hasChunks);
    const data = dataPattern(100_001, 17);
    await client.write(12_345, data);
    await client.write(12_345, data.subarray(0, 5000), CmdFlag.Fua);
    expect((await client.read(12_345, data.length)).equals(data)).toBe(true);
    await client.zeroes(20_000, 10_000);
    data.fill(0, 20_000 - 12_345, 30_000 - 12_345);
    expect((await client.read(12_345, data.length)).equals(data)).toBe(true);
    await client.trim(4096, 4096);
    await client.cache(0, MIB);
    await client.flush();
    await client.disconnect();
    const monday = await open(dialect, "monday");
    expect((await monday.read(0, 2 * MIB)).equals(volume.before.subarray(0, 2 * MIB))).toBe(true);
    await monday.disconnect();
  });

  test("many at a time are answered each with its own", async () => {
    const client = await open(dialect);
    const whole = await client.read(0, MIB);
    const reads = Array.from({ length: 200 }, (_, i) => client.read(i * 1000, 3000));
    for (const [i, data] of (await Promise.all(reads)).entries())
      expect(data.equals(whole.subarray(i * 1000, i * 1000 + 3000))).toBe(true);
    await client.disconnect();
  });

  test("what is refused has its error, and a text where there is a place for it; the stream goes on", async () => {
    const client = await open(dialect);
    const refused = async (request: Parameters<NbdClient["request"]>[0], error: number): Promise<void> => {
      const reply = await client.request(request);
      expect([reply.error, reply.text !== ""]).toEqual([error, hasChunks]);
    };
    await refused({ type: Cmd.Read, offset: SIZE, length: 1 }, EINVAL);
    await refused({ type: Cmd.Write, offset: SIZE - 1, length: 2, payload: Buffer.alloc(2) }, ENOSPC);
    await refused({ type: Cmd.Read, length: 64 * MIB + 1 }, EINVAL);
    await refused({ type: Cmd.BlockStatus, length: 512 }, EINVAL);
    await refused({ type: Cmd.Trim, flags: CmdFlag.DontFragment, length: 512 }, EINVAL);
    if (!hasChunks) await refused({ type: Cmd.Read, flags: CmdFlag.DontFragment, length: 512 }, EINVAL);
    expect((await client.request({ type: Cmd.Read, length: 0 })).error).toBe(0);
    expect((await client.read(5, 7)).length).toBe(7);
    await client.disconnect();
  });

  test("a read of 40 MiB comes in pieces where they may be, and in one for who asks for that", async () => {
    const client = await open(dialect);
    const pieces = await client.request({ type: Cmd.Read, offset: 777, length: LARGE });
    if (hasChunks) expect(pieces.pieces).toBeGreaterThan(1);
    else expect(pieces.pieces).toBe(1);
    if (hasChunks) {
      const whole = await client.request({ type: Cmd.Read, flags: CmdFlag.DontFragment, offset: 777, length: LARGE });
      expect([whole.pieces, whole.data.equals(pieces.data)]).toEqual([1, true]);
    }
    expect(pieces.data.subarray(0, 4096).equals(await client.read(777, 4096))).toBe(true);
    await client.disconnect();
  });

  test("a snapshot that has become invalid has an error for every request, and keeps its client", async () => {
    const full = await Volume.create({ snapshots: [{ name: "monday", size: "256K", chunk: "16K" }] });
    const client = await NbdClient.open(full.server.address, "monday", dialect);
    const origin = await full.open();
    await origin.write(0, dataPattern(MIB, 9));
    await origin.disconnect();
    for (let i = 0; i < 3; i++) {
      const { error, text, data } = await client.request({ type: Cmd.Read, offset: i * 4096, length: 4096 });
      expect([error, data.length, /invalid/.test(text)]).toEqual([EIO, 0, hasChunks]);
    }
    await client.disconnect();
    await full.server.kill();
    await full.scratch.remove();
  });
});

describe("extended", () => {
  test("a trim, zeroes and a cache of more than 4 GiB are one request each", async () => {
    const scratch = await makeScratch();
    const origin = scratch.file("origin");
    writeFileSync(origin, "");
    truncateSync(origin, 6 * GIB);
    const server = await Server.start({ origin, listen: scratch.file("socket") });
    const client = await NbdClient.open(server.address, "", "extended");
    await client.write(5 * GIB, dataPattern(MIB, 3));
    await client.cache(0, 6 * GIB);
    await client.zeroes(MIB, 6 * GIB - MIB);
    expect((await client.read(5 * GIB, MIB)).equals(Buffer.alloc(MIB))).toBe(true);
    await client.trim(0, 6 * GIB);
    expect((await client.request({ type: Cmd.Trim, offset: 1, length: 6 * GIB })).error).toBe(EINVAL);
    expect((await client.request({ type: Cmd.Trim, length: 2n ** 63n })).error).toBe(EINVAL);
    await client.disconnect();
    await server.kill();
    await scratch.remove();
  });

  test("a payload that is announced where none belongs is thrown away, and the request refused", async () => {
    const client = await open("extended");
    for (const type of [Cmd.Read, Cmd.Trim, Cmd.BlockStatus]) {
      const payload = Buffer.alloc(5000, 0x25);
      const reply = await client.request({ type, flags: CmdFlag.PayloadLength, length: 5000, payload });
      expect(reply.error).toBe(EINVAL);
    }
    expect((await client.read(0, 512)).length).toBe(512);
    await client.disconnect();
  });
});

test("a read-only export says so in words", async () => {
  const only = await Volume.create({ sizeBytes: MIB, filledBytes: MIB, snapshots: [], args: ["--read-only"] });
  const client = await NbdClient.open(only.server.address, "", "extended");
  const reply = await client.request({ type: Cmd.Write, length: 512, payload: Buffer.alloc(512) });
  expect([reply.error, reply.text]).toEqual([EPERM, "the export is read-only"]);
  await client.disconnect();
  await only.server.kill();
  await only.scratch.remove();
});
