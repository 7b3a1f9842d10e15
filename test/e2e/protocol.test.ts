/**
 * The NBD protocol of the built server: handshake, errors, and peers that misbehave. One server for all of it; that it
 * still ends in good order afterwards is the last test.
 */
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ByteStream, StreamEnded } from "../support/byte-stream.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { Cmd, CmdFlag, encodeRequest, NbdClient, Transmission } from "../support/nbd-client.ts";
import { Info, infoData, Negotiation, Opt, Rep, u32 } from "../support/nbd-negotiation.ts";
import { killServers } from "../support/server.ts";
import { MIB, ODD_END, Volume } from "../support/volume.ts";

const SIZE = 80 * MIB + ODD_END;
const EPERM = 1;
const EINVAL = 22;
const ENOSPC = 28;

const WRITABLE =
  Transmission.HasFlags |
  Transmission.SendFlush |
  Transmission.SendFua |
  Transmission.SendTrim |
  Transmission.SendWriteZeroes |
  Transmission.CanMultiConn |
  Transmission.SendCache;

let volume: Volume;

beforeAll(async () => {
  volume = await Volume.create({ sizeBytes: SIZE, filledBytes: MIB });
});

afterAll(async () => {
  await killServers();
  await volume.scratch.remove();
});

async function negotiate(flags?: number): Promise<Negotiation> {
  const negotiation = await Negotiation.open(volume.server.address);
  negotiation.sendFlags(flags);
  return negotiation;
}

/** The server serves a new client, and its data is right. */
async function expectAlive(): Promise<void> {
  const client = await volume.open("monday");
  expect((await client.read(511, 1026)).equals(volume.before.subarray(511, 1537))).toBe(true);
  await client.disconnect();
}

describe("handshake", () => {
  test("the greeting offers fixed newstyle without zeroes", async () => {
    const negotiation = await Negotiation.open(volume.server.address);
    expect(negotiation.handshakeFlags).toBe(3);
    negotiation.stream.destroy();
  });

  test("LIST names the origin and the snapshot", async () => {
    const negotiation = await negotiate();
    const replies = await negotiation.ask(Opt.List);
    const names = replies.slice(0, -1).map(({ data }) => data.toString("utf8", 4, 4 + data.readUInt32BE(0)));
    expect(names.sort()).toEqual(["monday", "origin"]);
    negotiation.stream.destroy();
  });

  test.each(["", "origin", "monday"])('GO "%s" tells size and flags', async (name) => {
    const negotiation = await negotiate();
    expect(await negotiation.go(name)).toEqual({ sizeBytes: SIZE, flags: WRITABLE });
    negotiation.stream.destroy();
  });

  test("INFO tells the block sizes and the canonical name, and the negotiation goes on", async () => {
    const negotiation = await negotiate();
    const replies = await negotiation.ask(Opt.Info, infoData("", Info.BlockSize, Info.Name));
    expect(replies.at(-1)?.type).toBe(Rep.Ack);
    const sizes = replies.find(({ type, data }) => type === Rep.Info && data.readUInt16BE(0) === Info.BlockSize)?.data;
    expect(sizes?.readUInt32BE(2)).toBe(1);
    expect(sizes?.readUInt32BE(6)).toBeGreaterThanOrEqual(512);
    expect(sizes?.readUInt32BE(10)).toBe(64 * MIB);
    const name = replies.find(({ type, data }) => type === Rep.Info && data.readUInt16BE(0) === Info.Name)?.data;
    expect(name?.toString("utf8", 2)).toBe("origin");
    expect((await negotiation.go("monday")).sizeBytes).toBe(SIZE);
    negotiation.stream.destroy();
  });

  test.each([
    ["124 zeroes", 1, 134],
    ["no zeroes", 3, 10],
  ])("EXPORT_NAME answers with %s, then requests", async (_what, flags, length) => {
    const negotiation = await negotiate(flags);
    negotiation.sendOption(Opt.ExportName, Buffer.from("monday"));
    const answer = await negotiation.stream.receive(length);
    expect(answer.readBigUInt64BE(0)).toBe(BigInt(SIZE));
    expect(answer.subarray(10).every((byte) => byte === 0)).toBe(true);
    const client = new NbdClient(negotiation.stream, { sizeBytes: SIZE, flags: answer.readUInt16BE(8) });
    expect(client.flags).toBe(WRITABLE);
    expect((await client.read(0, 512)).equals(volume.before.subarray(0, 512))).toBe(true);
    await client.disconnect();
  });

  test("EXPORT_NAME with an unknown name closes the connection", async () => {
    const negotiation = await negotiate();
    negotiation.sendOption(Opt.ExportName, Buffer.from("tuesday"));
    await expect(negotiation.stream.receive(1)).rejects.toBeInstanceOf(StreamEnded);
  });

  test("what is not supported is said to be so, and the step is kept", async () => {
    const negotiation = await negotiate();
    for (const option of [Opt.StartTls, Opt.ListMetaContext, Opt.SetMetaContext, 77]) {
      const replies = await negotiation.ask(option, Buffer.alloc(option === 77 ? 100_000 : 8, 0x49));
      expect(replies.map(({ type }) => type)).toEqual([Rep.Unsupported]);
    }
    expect((await negotiation.ask(Opt.Go, infoData("tuesday"))).map(({ type }) => type)).toEqual([Rep.Unknown]);
    expect((await negotiation.ask(Opt.Go, Buffer.alloc(3))).map(({ type }) => type)).toEqual([Rep.Invalid]);
    expect((await negotiation.ask(Opt.Go, Buffer.alloc(20_000))).map(({ type }) => type)).toEqual([Rep.TooBig]);
    expect((await negotiation.go("")).sizeBytes).toBe(SIZE);
    negotiation.stream.destroy();
  });

  test("ABORT is acknowledged, then the connection closes", async () => {
    const negotiation = await negotiate();
    expect((await negotiation.ask(Opt.Abort)).map(({ type }) => type)).toEqual([Rep.Ack]);
    await expect(negotiation.stream.receive(1)).rejects.toBeInstanceOf(StreamEnded);
  });

  test("unknown client flags close the connection", async () => {
    const negotiation = await negotiate(0x8000_0003);
    await expect(negotiation.stream.receive(1)).rejects.toBeInstanceOf(StreamEnded);
  });

  test("bytes may come one by one", async () => {
    const stream = await ByteStream.connect(volume.server.address);
    await stream.receive(18);
    const data = infoData("monday");
    const go = Buffer.concat([u32(3), Buffer.from("IHAVEOPT"), u32(Opt.Go), u32(data.length), data]);
    const read = encodeRequest({ type: Cmd.Read, offset: 3, length: 5 }, 42n);
    for (const byte of Buffer.concat([go, read])) await stream.sendNow(Buffer.of(byte));
    // INFO_EXPORT, the acknowledgement, and the reply to the read.
    const received = await stream.receive(32 + 20 + 16 + 5);
    expect(received.subarray(68).equals(volume.before.subarray(3, 8))).toBe(true);
    stream.destroy();
  });

  test("GO and requests may come in one piece", async () => {
    const stream = await ByteStream.connect(volume.server.address);
    await stream.receive(18);
    const data = infoData("monday");
    const read = encodeRequest({ type: Cmd.Read, offset: 3, length: 5 }, 42n);
    stream.send(Buffer.concat([u32(3), Buffer.from("IHAVEOPT"), u32(Opt.Go), u32(data.length), data, read, read]));
    const received = await stream.receive(32 + 20 + 2 * (16 + 5));
    expect(received.subarray(-5).equals(volume.before.subarray(3, 8))).toBe(true);
    stream.destroy();
  });
});

describe("requests that are refused", () => {
  test.each([
    ["a read that ends beyond the export", { type: Cmd.Read, offset: SIZE - 1, length: 2 }, EINVAL],
    ["a read at an offset that no file has", { type: Cmd.Read, offset: 2n ** 64n - 512n, length: 512 }, EINVAL],
    ["a cache that ends beyond the export", { type: Cmd.Cache, offset: SIZE, length: 1 }, EINVAL],
    ["a trim that ends beyond the export", { type: Cmd.Trim, offset: SIZE - 511, length: 512 }, EINVAL],
    ["zeroes that end beyond the export", { type: Cmd.WriteZeroes, offset: SIZE - 511, length: 512 }, ENOSPC],
    ["a read of more than 64 MiB", { type: Cmd.Read, length: 64 * MIB + 1 }, EINVAL],
    ["a flush with an offset", { type: Cmd.Flush, offset: 512 }, EINVAL],
    ["an unknown command", { type: 99, length: 512 }, EINVAL],
    ["BLOCK_STATUS, which nobody negotiated", { type: Cmd.BlockStatus, length: 512 }, EINVAL],
    ["a flag of another command", { type: Cmd.Read, flags: CmdFlag.NoHole, length: 512 }, EINVAL],
    ["DF, which nobody negotiated", { type: Cmd.Read, flags: CmdFlag.DontFragment, length: 512 }, EINVAL],
    ["FAST_ZERO, which nobody negotiated", { type: Cmd.WriteZeroes, flags: CmdFlag.FastZero, length: 512 }, EINVAL],
    ["an unknown flag", { type: Cmd.Flush, flags: 0x4000 }, EINVAL],
  ])("%s", async (_what, request, error) => {
    for (const name of ["origin", "monday"]) {
      const client = await volume.open(name);
      expect((await client.request(request)).error).toBe(error);
      expect((await client.read(0, 512)).length).toBe(512);
      await client.disconnect();
    }
  });

  test.each([
    ["beyond the end", { offset: SIZE - 1 }, 2000, ENOSPC],
    ["with a flag of another command", { flags: CmdFlag.NoHole, offset: 0 }, 2000, EINVAL],
    ["of more than 64 MiB", { offset: 0 }, 64 * MIB + 1, EINVAL],
  ])("a write %s: its payload is stepped over and nothing is written", async (_what, fields, length, error) => {
    const client = await volume.open("monday");
    const payload = Buffer.alloc(length, encodeRequest({ type: Cmd.Disc }, 0n));
    const refused = client.request({ type: Cmd.Write, ...fields, length, payload });
    const after = client.read(0, 4096);
    expect((await refused).error).toBe(error);
    expect((await after).equals(volume.before.subarray(0, 4096))).toBe(true);
    await client.disconnect();
  });

  test("a length of 0 is no error, and no effect", async () => {
    const client = await volume.open();
    for (const type of [Cmd.Read, Cmd.Write, Cmd.WriteZeroes, Cmd.Trim, Cmd.Cache]) {
      for (const offset of [0, 12_345, SIZE]) expect((await client.request({ type, offset, length: 0 })).error).toBe(0);
    }
    await client.disconnect();
  });
});

describe("requests that are odd but right", () => {
  test("FUA goes with every command", async () => {
    const client = await volume.open("monday");
    expect((await client.read(0, 512, CmdFlag.Fua)).equals(volume.before.subarray(0, 512))).toBe(true);
    await client.cache(0, 512, CmdFlag.Fua);
    await client.flush(CmdFlag.Fua);
    await client.trim(40 * MIB, 512, CmdFlag.Fua);
    await client.zeroes(40 * MIB, 512, CmdFlag.Fua | CmdFlag.NoHole);
    await client.write(40 * MIB, dataPattern(512, 3), CmdFlag.Fua);
    expect((await client.read(40 * MIB, 512)).equals(dataPattern(512, 3))).toBe(true);
    await client.disconnect();
  });

  test("CACHE of everything succeeds and changes nothing", async () => {
    for (const name of ["origin", "monday"]) {
      const client = await volume.open(name);
      await client.cache(0, SIZE);
      await client.cache(SIZE - 1, 1);
      expect((await client.read(0, 512)).equals(volume.before.subarray(0, 512))).toBe(true);
      await client.disconnect();
    }
  });

  test("a thousand requests in one piece have a thousand replies", async () => {
    const client = await volume.open("monday");
    const reads = Array.from({ length: 1000 }, (_, i) => client.read(i * 1000, 777));
    for (const [i, data] of (await Promise.all(reads)).entries()) {
      expect(data.equals(volume.before.subarray(i * 1000, i * 1000 + 777))).toBe(true);
    }
    await client.disconnect();
  });

  test("DISC comes after the replies of everything that was asked before it", async () => {
    const client = await volume.open("monday");
    const requests = Array.from({ length: 50 }, (_, i) =>
      i % 5 === 0 ? client.write(50 * MIB + i * 20_000, dataPattern(5000, i + 1)) : client.read(i * 4096, 4096),
    );
    await client.disconnect();
    expect((await Promise.all(requests)).length).toBe(50);
  });
});

describe("peers that misbehave", () => {
  test.each([
    ["nothing but garbage", dataPattern(5000, 8)],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")],
    ["good flags, then garbage", Buffer.concat([u32(3), dataPattern(5000, 9)])],
    ["an option of 4 GiB", Buffer.concat([u32(3), Buffer.from("IHAVEOPT"), u32(77), u32(0xffff_ffff)])],
  ])("in the handshake, %s: closed", async (_what, bytes) => {
    const stream = await ByteStream.connect(volume.server.address);
    await stream.receive(18);
    stream.send(bytes);
    await stream.ended();
    stream.destroy();
    await expectAlive();
  });

  test("garbage after the handshake: closed, what was acknowledged stays", async () => {
    const client = await volume.open("monday");
    await client.write(60 * MIB, dataPattern(1000, 4));
    client.stream.send(dataPattern(10_000, 5));
    await client.stream.ended();
    client.destroy();
    const other = await volume.open("monday");
    expect((await other.read(60 * MIB, 1000)).equals(dataPattern(1000, 4))).toBe(true);
    await other.disconnect();
  });

  test("a request with a wrong magic has no reply", async () => {
    const client = await volume.open();
    await expect(client.request({ type: Cmd.Read, length: 512, magic: 0x25609514 })).rejects.toBeInstanceOf(
      StreamEnded,
    );
    client.destroy();
    await expectAlive();
  });

  test("a write that announces 4 GiB: closed", async () => {
    const client = await volume.open();
    await expect(client.request({ type: Cmd.Write, length: 0xffff_ffff })).rejects.toBeInstanceOf(StreamEnded);
    client.destroy();
    await expectAlive();
  });

  test.each([0, 1, 17, 18, 22, 30, 60])("a peer that vanishes %i bytes into its handshake", async (count) => {
    const stream = await ByteStream.connect(volume.server.address);
    const data = infoData("monday");
    const bytes = Buffer.concat([u32(3), Buffer.from("IHAVEOPT"), u32(Opt.Go), u32(data.length), data]);
    stream.send(bytes.subarray(0, count));
    stream.destroy();
    await expectAlive();
  });

  test("a peer that vanishes in the middle of a header or a payload", async () => {
    for (const cut of [1, 27, 28, 29, 5000]) {
      const client = await volume.open("monday");
      const request = encodeRequest({ type: Cmd.Write, offset: 70 * MIB, length: 10_000 }, 1n);
      await client.stream.sendNow(Buffer.concat([request, Buffer.alloc(10_000)]).subarray(0, cut));
      client.destroy();
    }
    await expectAlive();
  });

  test("peers that vanish with replies pending", async () => {
    for (let round = 0; round < 8; round++) {
      const client = await volume.open(round % 2 === 0 ? "monday" : "origin");
      const requests = Array.from({ length: 64 }, (_, i) =>
        i % 2 === 0
          ? client.read(i * 4096, 256 * 1024)
          : client.write(62 * MIB + (64 * round + i) * 4096, dataPattern(4096, 6)),
      );
      const results = Promise.allSettled(requests);
      await client.stream.sendNow(Buffer.alloc(0));
      if (round >= 4) await requests[0];
      client.destroy();
      await results;
    }
    await expectAlive();
  });

  test("a peer that does not read its replies holds up nobody else", async () => {
    const client = await volume.open("monday");
    client.stream.pause();
    const results = Promise.allSettled(Array.from({ length: 64 }, (_, i) => client.read(i * 4096, MIB)));
    for (let i = 0; i < 4; i++) await expectAlive();
    client.destroy();
    await results;
  });
});

test("forty connections at once, each its own requests", async () => {
  const clients = await Promise.all(
    Array.from({ length: 40 }, (_, i) => volume.open(i % 2 === 0 ? "monday" : "origin")),
  );
  const reads = clients.flatMap((client, i) => [client.read(i * 1000, 1000), client.read(i * 1000 + 500, 1000)]);
  const pieces = await Promise.all(reads);
  for (let i = 0; i < 40; i++) {
    expect(pieces[2 * i].equals(volume.before.subarray(i * 1000, i * 1000 + 1000))).toBe(true);
    expect(pieces[2 * i + 1].equals(volume.before.subarray(i * 1000 + 500, i * 1000 + 1500))).toBe(true);
  }
  await Promise.all(clients.map((client) => client.disconnect()));
});

test("a read-only export says so, refuses writes with EPERM, and can be read", async () => {
  const readOnly = await Volume.create({ snapshots: [], args: ["--read-only"] });
  onTestFinished(() => readOnly.remove());
  const client = await readOnly.open();
  expect(client.flags).toBe(WRITABLE | Transmission.ReadOnly);
  const payload = Buffer.alloc(512);
  expect((await client.request({ type: Cmd.Write, length: 512, payload })).error).toBe(EPERM);
  expect((await client.request({ type: Cmd.WriteZeroes, length: 512 })).error).toBe(EPERM);
  expect((await client.request({ type: Cmd.Trim, length: 512 })).error).toBe(EPERM);
  await client.flush();
  expect((await client.read(0, 4096)).equals(readOnly.before.subarray(0, 4096))).toBe(true);
  await client.disconnect();
});

test("after all this SIGTERM ends the server with 0, clients or not, and its socket is gone", async () => {
  const client = await volume.open();
  await client.write(0, volume.before.subarray(0, 512));
  const path = volume.scratch.file("socket");
  expect(existsSync(path)).toBe(true);
  await volume.stop();
  expect(existsSync(path)).toBe(false);
  await client.stream.ended();
});
