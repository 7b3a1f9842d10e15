/**
 * What clients read and write through the built server, compared with buffers in this process.
 *
 * The oracle: a snapshot reads as the origin did when it was taken, plus its own writes; the origin reads as what was last
 * written to it.
 */
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { freePort } from "../support/free-socket.ts";
import type { NbdClient } from "../support/nbd-client.ts";
import { CmdFlag } from "../support/nbd-client.ts";
import { killServers } from "../support/server.ts";
import type { VolumeOptions } from "../support/volume.ts";
import { firstDifference, MIB, MONDAY, ODD_END, readAll, Volume } from "../support/volume.ts";

let volume: Volume | undefined;

async function create(options?: VolumeOptions): Promise<Volume> {
  volume = await Volume.create(options);
  return volume;
}

afterEach(async () => {
  await killServers();
  await volume?.scratch.remove();
  volume = undefined;
});

interface Side {
  readonly client: NbdClient;
  readonly model: Buffer;
}

async function openSide(of: Volume, name: string): Promise<Side> {
  return { client: await of.open(name), model: Buffer.from(of.before) };
}

async function expectSame(side: Side): Promise<void> {
  expect(firstDifference(await readAll(side.client), side.model)).toBe(-1);
}

const SMALL = MIB + ODD_END;
const operation = fc.record({
  kind: fc.constantFrom("write", "write", "write", "zeroes", "trim", "read", "flush", "cache"),
  onOrigin: fc.boolean(),
  at: fc.nat(SMALL - 1),
  length: fc.oneof(
    fc.integer({ min: 1, max: 16 }),
    fc.integer({ min: 1, max: 5000 }),
    fc.integer({ min: 1, max: 70_000 }),
    fc.constantFrom(512, 4096, 16_384, 65_536),
  ),
  aligned: fc.constantFrom(1, 1, 512, 4096, 16_384),
  seed: fc.integer({ min: 1, max: 1000 }),
  fua: fc.boolean(),
});
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

async function execute(side: Side, snapshot: boolean, step: Operation): Promise<void> {
  const { client, model } = side;
  const at = step.at - (step.at % step.aligned);
  const length = Math.min(step.length, model.length - at);
  const flags = step.fua ? CmdFlag.Fua : 0;
  switch (step.kind) {
    case "write": {
      const data = dataPattern(length, step.seed);
      await client.write(at, data, flags);
      data.copy(model, at);
      return;
    }
    case "zeroes":
      await client.zeroes(at, length, flags);
      model.fill(0, at, at + length);
      return;
    case "trim":
      await client.trim(at, length, flags);
      // A trimmed range of the origin may hold anything, of a snapshot what it held (E-12).
      if (!snapshot) (await client.read(at, length)).copy(model, at);
      return;
    case "read":
      expect(firstDifference(await client.read(at, length), model.subarray(at, at + length))).toBe(-1);
      return;
    case "cache":
      return client.cache(at, length);
    default:
      return client.flush();
  }
}

test("E-3 E-4 E-5 E-6 E-12 E-13 E-16: random requests down to one byte, against two buffers", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 100, maxLength: 200 }), async (steps) => {
      const small = await create({ sizeBytes: SMALL, snapshots: [{ ...MONDAY, size: "4M" }] });
      const origin = await openSide(small, "");
      const monday = await openSide(small, "monday");
      for (const step of steps) await execute(step.onOrigin ? origin : monday, !step.onOrigin, step);
      await expectSame(origin);
      await expectSame(monday);
      await small.remove();
    }),
    { numRuns: 4, endOnFailure: true },
  );
});

test("E-13 E-18: snapshots with different chunk sizes keep the old data and their own writes", async () => {
  const both = await create({
    sizeBytes: SMALL,
    snapshots: [
      { name: "fine", size: "4M", chunk: "4K" },
      { name: "coarse", size: "4M", chunk: "64K" },
    ],
  });
  const origin = await openSide(both, "");
  const fine = await openSide(both, "fine");
  const coarse = await openSide(both, "coarse");
  const write = async (side: Side, at: number, length: number, seed: number): Promise<void> => {
    const data = dataPattern(length, seed);
    await side.client.write(at, data);
    data.copy(side.model, at);
  };
  for (let i = 0; i < 40; i++) {
    await write(origin, (i * 104_729) % (SMALL - 9000), 1 + ((i * 733) % 9000), 100 + i);
    await write(i % 2 === 0 ? fine : coarse, (i * 65_537) % (SMALL - 5000), 1 + ((i * 499) % 5000), 200 + i);
  }
  for (const side of [origin, fine, coarse]) await expectSame(side);
});

test("the last, short chunk of the origin is kept like any other", async () => {
  const { client } = await openSide(await create(), "");
  const monday = await openSide(volume as Volume, "monday");
  const size = client.sizeBytes;
  await client.write(size - 1, Buffer.of(0xaa));
  expect((await client.read(size - 2, 2))[1]).toBe(0xaa);
  await expectSame(monday);
  const tail = dataPattern(700, 77);
  await monday.client.write(size - 700, tail);
  tail.copy(monday.model, size - 700);
  await expectSame(monday);
  expect((await client.read(size - 1, 1))[0]).toBe(0xaa);
});

test("payloads of 32 MiB, and of 49.8 MB, at an odd offset go in and out, on origin and snapshot", async () => {
  const sizeBytes = 56 * MIB + ODD_END;
  const large = await create({ sizeBytes, filledBytes: MIB, snapshots: [{ ...MONDAY, size: "128M" }] });
  const origin = await openSide(large, "");
  const monday = await openSide(large, "monday");
  // The larger one goes part by part.
  for (const [side, length] of [
    [monday, 49_807_360],
    [origin, 32 * MIB],
  ] as const) {
    const data = dataPattern(length, length);
    await side.client.write(12_345, data);
    data.copy(side.model, 12_345);
    expect(firstDifference(await side.client.read(12_345, length), data)).toBe(-1);
  }
  await expectSame(origin);
  await expectSame(monday);
});

test("E-16: zeroes on the origin keep the snapshot's data first, and trims that preserve", async () => {
  const { client } = await openSide(await create({ args: ["--trim", "preserve"] }), "");
  const monday = await openSide(volume as Volume, "monday");
  await client.zeroes(1000, 3 * MIB);
  await client.zeroes(4 * MIB + 7, 100_001, CmdFlag.NoHole | CmdFlag.Fua);
  await client.trim(5 * MIB, 2 * MIB);
  expect((await client.read(1000, 3 * MIB)).every((byte) => byte === 0)).toBe(true);
  expect((await client.read(4 * MIB + 7, 100_001)).every((byte) => byte === 0)).toBe(true);
  const edge = (await client.read(999, 1))[0];
  expect(edge).toBe(monday.model[999]);
  await expectSame(monday);
});

test("E-19: an fstrim over the whole volume costs the snapshots nothing, and gives back what none of them needs", async () => {
  const snapshots = [MONDAY, { name: "tuesday", size: "16M", chunk: "64K" }];
  const origin = await openSide(await create({ snapshots }), "");
  const { server, sizeBytes } = volume as Volume;
  const views = await Promise.all(snapshots.map(({ name }) => openSide(volume as Volume, name)));
  const used = async (): Promise<number[]> =>
    (await server.stats()).snapshots.map(({ allocatedSectors }) => allocatedSectors);
  const empty = await used();
  // As fstrim does it: extents of any length and alignment, several at a time, some with FUA.
  const fstrim = async (): Promise<void> => {
    const extents: Promise<void>[] = [];
    for (let at = 0, length = 4096; at < sizeBytes; at += length, length = (length * 3) % (3 * MIB + 511)) {
      length = Math.min(length, sizeBytes - at);
      extents.push(origin.client.trim(at, length, extents.length % 3 === 0 ? CmdFlag.Fua : 0));
    }
    await Promise.all(extents);
  };
  await fstrim();
  expect(await used()).toEqual(empty);
  for (const side of [origin, ...views]) await expectSame(side);
  expect((await server.stats()).exports[0]).toMatchObject({ trimmedBytes: 0, untrimmedBytes: sizeBytes });
  // What has been written is kept by both by now, chunk by chunk; the rest of it is the origin's.
  const data = dataPattern(2 * MIB, 5);
  await origin.client.write(MIB, data);
  data.copy(origin.model, MIB);
  await origin.client.flush();
  const written = await used();
  await fstrim();
  expect(await used()).toEqual(written);
  for (const view of views) await expectSame(view);
  const now = await readAll(origin.client);
  for (const [from, to] of [
    [0, MIB],
    [3 * MIB, sizeBytes],
  ])
    expect(firstDifference(now.subarray(from, to), origin.model.subarray(from, to))).toBe(-1);
  // What a file system makes of a hole is its own: zeroes, or nothing at all.
  expect(now.subarray(MIB, 3 * MIB).every((byte, i) => byte === 0 || byte === data[i])).toBe(true);
  const { trimmedBytes, untrimmedBytes } = (await server.stats()).exports[0]!;
  expect([trimmedBytes, untrimmedBytes]).toEqual([2 * MIB, 2 * sizeBytes - 2 * MIB]);
});

test("E-12: zeroes on a snapshot read as zeroes there and nowhere else, a trim changes nothing", async () => {
  const origin = await openSide(await create(), "");
  const monday = await openSide(volume as Volume, "monday");
  for (const [at, length, flags] of [
    [0, 16_384, 0],
    [100_000, 1, 0],
    [200_001, 300_000, CmdFlag.NoHole],
    [4 * MIB, 3 * MIB, CmdFlag.Fua],
  ]) {
    await monday.client.zeroes(at, length, flags);
    monday.model.fill(0, at, at + length);
  }
  await monday.client.trim(0, MIB);
  await monday.client.trim(7 * MIB, MIB, CmdFlag.Fua);
  await expectSame(monday);
  await expectSame(origin);
});

test("E-22: what one connection wrote the others read, on origin and snapshot", async () => {
  const shared = await create();
  for (const name of ["origin", "monday"]) {
    const clients = await Promise.all(Array.from({ length: 4 }, () => shared.open(name)));
    for (let i = 0; i < 40; i++) {
      const data = dataPattern(3000, 300 + i);
      await clients[i % 4].write(i * 50_001, data);
      expect((await clients[(i + 1) % 4].read(i * 50_001, 3000)).equals(data)).toBe(true);
    }
  }
});

test("E-20: while four connections rewrite the origin, every read of the snapshot is the old data", async () => {
  const busy = await create({ snapshots: [{ ...MONDAY, chunk: "4K" }] });
  const monday = await busy.open("monday");
  const size = busy.sizeBytes;
  const writers = await Promise.all(Array.from({ length: 4 }, () => busy.open()));
  let writing = writers.length;
  const rewrites = writers.map(async (client, w) => {
    const under: Promise<void>[] = [];
    for (let at = w * 8192; at + 8192 <= size; at += 4 * 8192) under.push(client.write(at, dataPattern(8192, 500 + w)));
    await Promise.all(under);
    writing -= 1;
  });
  do {
    expect(firstDifference(await readAll(monday), busy.before)).toBe(-1);
  } while (writing > 0);
  await Promise.all(rewrites);
  expect(firstDifference(await readAll(monday), busy.before)).toBe(-1);
});

test("the same over TCP", async () => {
  const tcp = await create({ listen: await freePort() });
  const origin = await openSide(tcp, "");
  const monday = await openSide(tcp, "monday");
  const data = dataPattern(MIB, 21);
  await origin.client.write(333, data);
  data.copy(origin.model, 333);
  await expectSame(origin);
  await expectSame(monday);
});
