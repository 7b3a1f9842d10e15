import fc from "fast-check";
import { expect, test } from "vitest";
import { CowGeometry } from "../../../src/format/cow-geometry.ts";

const chunkSizes = fc.integer({ min: 0, max: 12 }).map((exponent) => 2 ** exponent);

test("areas of 4 KiB chunks lie at chunks 1, 258, 515 (S-2)", () => {
  const geometry = new CowGeometry(8);
  expect(geometry.exceptionsPerArea).toBe(256);
  expect([0, 1, 2].map((area) => geometry.areaChunk(area))).toEqual([1, 258, 515]);
});

test("a chunk is a metadata chunk exactly where an area lies (S-4)", () => {
  fc.assert(
    fc.property(chunkSizes, fc.nat(100), fc.nat(5000), (sectors, area, chunk) => {
      const geometry = new CowGeometry(sectors);
      expect(geometry.isMetadataChunk(geometry.areaChunk(area))).toBe(true);
      const areas = new Set(Array.from({ length: 200 }, (_, i) => geometry.areaChunk(i)));
      expect(geometry.isMetadataChunk(chunk)).toBe(areas.has(chunk));
    }),
  );
});

test("walking data chunks visits each one but the areas, EPA per stride (S-40)", () => {
  for (const sectors of [1, 2, 8]) {
    const geometry = new CowGeometry(sectors);
    const seen: number[] = [];
    for (let chunk = 2; seen.length < geometry.exceptionsPerArea * 3; chunk = geometry.nextDataChunk(chunk))
      seen.push(chunk);
    expect(seen.some((chunk) => geometry.isMetadataChunk(chunk))).toBe(false);
    expect(seen.at(-1)).toBe(geometry.areaChunk(3) - 1);
  }
});

test("back over data chunks goes where forward came from (S-40)", () => {
  for (const sectors of [1, 2, 8]) {
    const geometry = new CowGeometry(sectors);
    const walked = [2];
    while (walked.length < geometry.exceptionsPerArea * 3) walked.push(geometry.nextDataChunk(walked.at(-1)!));
    for (const back of [0, 1, 5, geometry.exceptionsPerArea, walked.length - 1])
      expect(geometry.dataChunkBefore(walked.at(-1)!, back)).toBe(walked.at(-1 - back));
  }
});

test("an area fits only if it lies wholly on the device (S-42)", () => {
  const geometry = new CowGeometry(8);
  expect(geometry.areaFits(0, 15)).toBe(false);
  expect(geometry.areaFits(0, 16)).toBe(true);
  expect(geometry.areaFits(1, 259 * 8 - 1)).toBe(false);
  expect(geometry.areaFits(1, 259 * 8)).toBe(true);
});

test("a chunk size that is no power of two is a programmer's error here", () => {
  expect(() => new CowGeometry(12)).toThrow(/power of two/);
});

test("an area is read in pieces of a mebibyte, or as the chunk that it is", () => {
  expect(new CowGeometry(8).areaPieceBytes).toBe(4096);
  expect(new CowGeometry(2048).areaPieceBytes).toBe(2 ** 20);
  expect(new CowGeometry(4096).areaPieceBytes).toBe(2 ** 20);
});

test("the chunk behind an area is taken where the area would be (S-4), and its place is in bytes (S-2)", () => {
  const geometry = new CowGeometry(8);
  expect([256, 257, 258, 259].map((chunk) => geometry.skipMetadata(chunk))).toEqual([256, 257, 259, 259]);
  expect([256, 257, 258].map((chunk) => geometry.nextDataChunk(chunk))).toEqual([257, 259, 259]);
  expect([geometry.areaPosition(0), geometry.areaPosition(1)]).toEqual([4096, 258 * 4096]);
});
