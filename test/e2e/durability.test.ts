/**
 * What survives the server: an orderly end, and SIGKILL at any moment.
 *
 * A killed process loses its memory, not the kernel's page cache: so these tests show that what was acknowledged and flushed is
 * in the files with its exceptions, not that it was on the medium.
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { CmdFlag } from "../support/nbd-client.ts";
import { killServers } from "../support/server.ts";
import { firstDifference, MIB, readAll, Volume } from "../support/volume.ts";

/** Where the last test's unflushed writes begin. */
const LATER_AT = 2 * MIB;

let volume: Volume;

beforeEach(async () => {
  volume = await Volume.create();
});

afterEach(async () => {
  await killServers();
  await volume.scratch.remove();
});

async function expectContent(name: string, content: Buffer): Promise<void> {
  const client = await volume.open(name);
  expect(firstDifference(await readAll(client), content)).toBe(-1);
  await client.disconnect();
}

test("E-42: after SIGTERM every acknowledged write is there, flushed or not", async () => {
  const origin = Buffer.from(volume.before);
  const monday = Buffer.from(volume.before);
  const clients = [await volume.open(), await volume.open("monday")];
  for (let i = 0; i < 30; i++) {
    const data = dataPattern(5000, 600 + i);
    await clients[i % 2].write(i * 200_003, data);
    data.copy(i % 2 === 0 ? origin : monday, i * 200_003);
  }
  await volume.stop();
  await volume.serve();
  await expectContent("", origin);
  await expectContent("monday", monday);
});

test("E-10 C-13: a flush covers the acknowledged snapshot writes of all connections", async () => {
  const monday = Buffer.from(volume.before);
  const writers = await Promise.all(Array.from({ length: 4 }, () => volume.open("monday")));
  const writes = writers.flatMap((client, w) =>
    Array.from({ length: 10 }, (_, i) => {
      const at = (w * 10 + i) * 150_001;
      const data = dataPattern(20_000, 700 + w * 10 + i);
      data.copy(monday, at);
      return client.write(at, data);
    }),
  );
  await Promise.all(writes);
  const other = await volume.open("monday");
  await other.flush();
  await volume.crash();
  await volume.serve();
  await expectContent("monday", monday);
  await expectContent("", volume.before);
});

test("E-11 C-14: an acknowledged FUA write to a snapshot survives a crash without a flush", async () => {
  const monday = Buffer.from(volume.before);
  const client = await volume.open("monday");
  for (const [i, at] of [0, 16_384, 100_001, 5_000_000].entries()) {
    const data = dataPattern(i === 0 ? 16_384 : 777, 800 + i);
    await client.write(at, data, CmdFlag.Fua);
    data.copy(monday, at);
  }
  await client.zeroes(7_000_001, 40_000, CmdFlag.Fua);
  monday.fill(0, 7_000_001, 7_040_001);
  await volume.crash();
  await volume.serve();
  await expectContent("monday", monday);
});

test("E-13: an acknowledged origin write has its old data in the snapshot, crash or not", async () => {
  const origin = Buffer.from(volume.before);
  const client = await volume.open();
  const writes = Array.from({ length: 60 }, (_, i) => {
    const data = dataPattern(9000, 900 + i);
    data.copy(origin, i * 130_003);
    return client.write(i * 130_003, data);
  });
  await Promise.all(writes);
  await volume.crash();
  await volume.serve();
  await expectContent("", origin);
  await expectContent("monday", volume.before);
});

test("killed again and again amid origin writes, the snapshot never changes", async () => {
  for (let round = 0; round < 5; round++) {
    const client = await volume.open();
    const writes = Array.from({ length: 200 }, (_, i) =>
      client.write(((round * 200 + i) * 8_003) % 8_000_000, dataPattern(4000, 1000 + round * 200 + i)),
    );
    const results = Promise.allSettled(writes);
    await writes[20 + 30 * round];
    await volume.crash();
    await results;
    client.destroy();
    await volume.serve();
    await expectContent("monday", volume.before);
  }
});

test("killed amid snapshot writes, what was flushed stays, and every other sector is old or new", async () => {
  const client = await volume.open("monday");
  const flushed = dataPattern(512 * 1024, 31);
  await client.write(0, flushed);
  await client.flush();
  const later = dataPattern(2048 * 1024, 32);
  const writes = Array.from({ length: 256 }, (_, i) =>
    client.write(LATER_AT + i * 8192, later.subarray(i * 8192, (i + 1) * 8192)),
  );
  const results = Promise.allSettled(writes);
  await writes[100];
  await volume.crash();
  await results;
  await volume.serve();
  const again = await volume.open("monday");
  const content = await readAll(again);
  expect(firstDifference(content.subarray(0, flushed.length), flushed)).toBe(-1);
  for (let at = 0; at < later.length; at += 512) {
    const sector = content.subarray(LATER_AT + at, LATER_AT + at + 512);
    const isOld = sector.equals(volume.before.subarray(LATER_AT + at, LATER_AT + at + 512));
    expect(isOld || sector.equals(later.subarray(at, at + 512))).toBe(true);
  }
  await expectContent("", volume.before);
});
