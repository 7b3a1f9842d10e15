/**
 * The tests' own client, against two servers that others wrote: what it finds wrong with ours must not be its own fault.
 */
import { spawn } from "node:child_process";
import { truncate, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ByteStream, StreamEnded } from "../support/byte-stream.ts";
import { dataPattern } from "../support/data-pattern.ts";
import type { Scratch } from "../support/free-socket.ts";
import { makeScratch } from "../support/free-socket.ts";
import { CmdFlag, NbdClient, Transmission } from "../support/nbd-client.ts";
import { Negotiation, Opt, Rep } from "../support/nbd-negotiation.ts";

const SIZE = 4 * 1024 * 1024;

async function accepts(address: { readonly path: string }): Promise<boolean> {
  try {
    (await ByteStream.connect(address)).destroy();
    return true;
  } catch {
    return false;
  }
}

describe.each([
  ["nbdkit", (socket: string, image: string) => ["-f", "-U", socket, "file", image]],
  ["qemu-nbd", (socket: string, image: string) => ["-f", "raw", "-t", "-e", "8", "-k", socket, image]],
])("the client against %s", (command, argumentsOf) => {
  let scratch: Scratch;
  let stop: () => Promise<void>;
  let address: { path: string };

  beforeEach(async () => {
    scratch = await makeScratch();
    address = { path: scratch.file("socket") };
    await writeFile(scratch.file("image"), "");
    await truncate(scratch.file("image"), SIZE);
    const child = spawn(command, argumentsOf(address.path, scratch.file("image")), { stdio: "ignore" });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    stop = async () => {
      child.kill("SIGTERM");
      await ended;
    };
    // The file is there before the server listens on it: a busy machine was seen to connect between the two, and was refused.
    while (child.exitCode === null && !(await accepts(address)))
      await new Promise((resolve) => setTimeout(resolve, 10));
  });

  afterEach(async () => {
    await stop();
    await scratch.remove();
  });

  test("it enters an export and learns its size and flags", async () => {
    const client = await NbdClient.open(address);
    expect(client.sizeBytes).toBe(SIZE);
    expect(client.flags & Transmission.HasFlags).toBe(Transmission.HasFlags);
    expect(client.flags & Transmission.ReadOnly).toBe(0);
    await client.disconnect();
  });

  test("what it writes it reads, in any piece, with every command", async () => {
    const client = await NbdClient.open(address);
    const data = dataPattern(100_000, 5);
    await client.write(12_345, data, CmdFlag.Fua);
    await client.zeroes(20_000, 5_000, CmdFlag.NoHole);
    await client.flush();
    data.fill(0, 20_000 - 12_345, 25_000 - 12_345);
    expect((await client.read(12_345, 100_000)).equals(data)).toBe(true);
    expect((await client.read(12_346, 1)).equals(data.subarray(1, 2))).toBe(true);
    await client.trim(0, 4096);
    await client.disconnect();
  });

  test("many requests may be under way, and a reply finds its own", async () => {
    const client = await NbdClient.open(address);
    await client.write(0, dataPattern(512 * 512, 6));
    const expected = dataPattern(512 * 512, 6);
    const reads = Array.from({ length: 512 }, (_, i) => client.read(512 * i, 512));
    expect(client.pending).toBe(512);
    expect(Buffer.concat(await Promise.all(reads)).equals(expected)).toBe(true);
    await client.disconnect();
  });

  test("an error is an error, and the connection goes on", async () => {
    const client = await NbdClient.open(address);
    expect((await client.request({ type: 99, length: 1 })).error).toBe(22);
    await expect(client.read(SIZE, 1)).rejects.toMatchObject({ name: "NbdFailure", error: 22 });
    expect((await client.read(0, 1)).length).toBe(1);
    await client.disconnect();
  });

  // Not with replies pending: qemu-nbd throws these away.
  test("DISC ends the connection, and no request comes after it", async () => {
    const client = await NbdClient.open(address);
    await client.read(0, 4096);
    await client.disconnect();
    await expect(client.read(0, 1)).rejects.toBeInstanceOf(StreamEnded);
  });

  test("a client that vanishes knows that nothing will come", async () => {
    const client = await NbdClient.open(address);
    const read = client.read(0, 4096);
    client.destroy();
    await expect(read).rejects.toBeInstanceOf(StreamEnded);
  });

  test("options can be asked one by one", async () => {
    const negotiation = await Negotiation.open(address);
    negotiation.sendFlags();
    expect((await negotiation.ask(Opt.List)).map((reply) => reply.type)).toEqual([Rep.Server, Rep.Ack]);
    expect((await negotiation.ask(0x1234_5678, Buffer.from("data"))).map((reply) => reply.type)).toEqual([
      Rep.Unsupported,
    ]);
    expect((await negotiation.go("")).sizeBytes).toBe(SIZE);
    negotiation.stream.destroy();
  });
});
