/**
 * A store that takes its time to be read: threads start beside it (S-36, S-38, E-46).
 */
import { readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AREA_READ_AHEAD } from "../../src/base/constants.ts";
import { CowGeometry, FIRST_DATA_CHUNK } from "../../src/format/cow-geometry.ts";
import { openVolume, type Volume } from "../../src/index.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { type ExceptionPair, putException, storeImage } from "../support/store-image.ts";

const CHUNK = 512;
const CHUNKS = 8192;
const geometry = new CowGeometry(1);
const COUNT = (AREA_READ_AHEAD + 40) * geometry.exceptionsPerArea + 5;

let scratch: Scratch;
let volume: Volume | undefined;
let origin: Buffer;
let view: Buffer;

function exceptions(): ExceptionPair[] {
  let newChunk = FIRST_DATA_CHUNK;
  return Array.from({ length: COUNT }, (_, i) => {
    const pair: ExceptionPair = [(i * 3001) % CHUNKS, newChunk];
    newChunk = geometry.nextDataChunk(newChunk);
    return pair;
  });
}

beforeEach(async () => {
  scratch = await makeScratch();
  origin = dataPattern(CHUNKS * CHUNK, 1);
  view = Buffer.from(origin);
  const list = exceptions();
  const image = storeImage((list.at(-1)![1] + 200) * CHUNK, 1, list);
  for (const [oldChunk, newChunk] of list) {
    const data = dataPattern(CHUNK, 2 + oldChunk);
    image.set(data, newChunk * CHUNK);
    data.copy(view, oldChunk * CHUNK);
  }
  await writeFile(scratch.file("origin"), origin);
  await writeFile(scratch.file("cow"), image);
});

afterEach(async () => {
  await volume?.close();
  volume = undefined;
  await scratch.remove();
});

async function open(): Promise<Volume> {
  return await openVolume({
    origin: scratch.file("origin"),
    snapshots: [{ name: "s", cow: scratch.file("cow") }],
    listen: [`unix:${scratch.file("socket")}`],
  });
}

function threads(): number {
  return readdirSync("/proc/self/task").length;
}

test("S-36: has every exception once it is open", async () => {
  volume = await open();
  expect(volume.stats().snapshots[0]?.exceptions).toBe(COUNT);
  const client = await NbdClient.open({ path: scratch.file("socket") }, "s");
  expect(Buffer.compare(await client.read(0, view.length), view)).toBe(0);
  await client.disconnect();
});

test.each([
  ["while it is read", AREA_READ_AHEAD + 30],
  ["before anything else has begun", 3],
])("S-38: corrupt, it is refused %s, and nothing is left behind", async (_, area) => {
  const image = await readFile(scratch.file("cow"));
  const index = area * geometry.exceptionsPerArea + 7;
  const [oldChunk, newChunk] = exceptions()[index]!;
  putException(image, 1, index, CHUNKS + 5, newChunk);
  await writeFile(scratch.file("cow"), image);
  const before = threads();
  await expect(open()).rejects.toMatchObject({ code: "EIO", message: expect.stringContaining(`of area ${area}`) });
  await expect.poll(threads).toBeLessThanOrEqual(before);

  putException(image, 1, index, oldChunk, newChunk);
  await writeFile(scratch.file("cow"), image);
  volume = await open();
  expect(volume.stats().snapshots[0]?.exceptions).toBe(COUNT);
});

test("S-38: an old chunk that is there twice, which is known only at the end, is refused likewise", async () => {
  const image = await readFile(scratch.file("cow"));
  const [first] = exceptions();
  putException(image, 1, COUNT - 1, first![0], exceptions()[COUNT - 1]![1]);
  await writeFile(scratch.file("cow"), image);
  const before = threads();
  await expect(open()).rejects.toMatchObject({ code: "EIO", message: expect.stringContaining("appears twice") });
  await expect.poll(threads).toBeLessThanOrEqual(before);
});
