import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TRACK_BUCKETS, TRACK_BUCKETS_PER_PIECE, TRACK_CHUNKS_PER_BUCKET } from "../../../src/base/constants.ts";
import {
  bucketAt,
  bucketOf,
  TRACKING_WORDS,
  Tracking,
  TrackingReader,
  trackableChunks,
} from "../../../src/table/tracking.ts";

const AT = 7;

function make(): { main: Tracking; reader: TrackingReader } {
  const words = new Int32Array(new SharedArrayBuffer((AT + TRACKING_WORDS) * 4));
  return { main: new Tracking(words, AT), reader: new TrackingReader(words, AT) };
}

describe("tracking", () => {
  test("neighbouring chunks share a bucket, also beyond 32 bits", () => {
    expect(bucketOf(0)).toBe(0);
    expect(bucketOf(TRACK_CHUNKS_PER_BUCKET - 1)).toBe(0);
    expect(bucketOf(TRACK_CHUNKS_PER_BUCKET)).toBe(1);
    expect(bucketOf(TRACK_CHUNKS_PER_BUCKET * TRACK_BUCKETS)).toBe(0);
    expect(bucketOf(2 ** 35 + TRACK_CHUNKS_PER_BUCKET * 3)).toBe(3);
    expect(bucketOf(2 ** 31 + TRACK_CHUNKS_PER_BUCKET * 3)).toBe(3);
  });

  test("main counts a chunk where its readers do, and two flips are none (C-24)", () => {
    const { main, reader } = make();
    const chunk = TRACK_CHUNKS_PER_BUCKET * 3 + 1;
    expect(main.bucketOf(chunk)).toBe(bucketOf(chunk));
    for (const parity of [1, 0, 1]) {
      main.flip(3);
      expect([main.parity(3), reader.begin(3)]).toEqual([parity, parity]);
    }
  });

  test("a read counts with the parity of its beginning, even after a flip (C-1, C-24)", () => {
    const { main, reader } = make();
    const first = reader.begin(5);
    main.flip(5);
    const second = reader.begin(5);
    expect([first, second]).toEqual([0, 1]);
    expect([main.readers(5, 0), main.readers(5, 1)]).toEqual([1, 1]);
    reader.end(5, first);
    expect([main.readers(5, 0), main.readers(5, 1)]).toEqual([0, 1]);
    reader.end(5, second);
    expect(main.readers(5, 1)).toBe(0);
    expect(main.readers(4, 0) + main.readers(6, 0)).toBe(0);
  });

  test("DRAINED is sent once for each time that main asks, by the read that empties the counter (C-5)", () => {
    const { main, reader } = make();
    const parity = reader.begin(9);
    reader.begin(9);
    main.awaitDrain(9);
    expect(reader.end(9, parity)).toBe(false);
    expect(reader.end(9, parity)).toBe(true);
    reader.begin(9);
    expect(reader.end(9, parity)).toBe(false);
    main.awaitDrain(9);
    reader.begin(9);
    expect(reader.end(9, parity)).toBe(true);
  });

  test("main can take its question back", () => {
    const { main, reader } = make();
    const parity = reader.begin(9);
    main.awaitDrain(9);
    main.clearWaiting(9);
    expect(reader.end(9, parity)).toBe(false);
  });

  test("a read that ends twice is a programmer error", () => {
    const { reader } = make();
    reader.end(1, reader.begin(1));
    expect(() => reader.end(1, 0)).toThrow("ended twice");
  });

  test("a range counts once in every bucket that it touches, with each bucket's own parity", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.nat(30_000), fc.integer({ min: 2 ** 33, max: 2 ** 36 - 1000 })),
        fc.nat(300),
        fc.infiniteStream(fc.boolean()),
        (first, n, flips) => {
          const { main, reader } = make();
          for (let bucket = 0; bucket < TRACK_BUCKETS; bucket++) if (flips.next().value) main.flip(bucket);
          const count = 1 + (n % trackableChunks(first));
          const touched = new Set<number>();
          for (let i = 0; i < count; i++) touched.add(bucketOf(first + i));
          const parities = reader.beginRange(first, count);
          for (let bucket = 0; bucket < TRACK_BUCKETS; bucket++) {
            const parity = main.parity(bucket);
            const [mine, others] = [main.readers(bucket, parity), main.readers(bucket, 1 - parity)];
            // One comparison per bucket: `expect` would be the test's whole time.
            if (mine !== (touched.has(bucket) ? 1 : 0) || others !== 0)
              expect([bucket, mine, others]).toBe("counted once");
            main.flip(bucket);
            if (bucket % 3 === 0) main.awaitDrain(bucket);
          }
          const drained = reader.endRange(first, count, parities);
          const told = new Set<number>();
          for (let i = 0; i < TRACK_BUCKETS_PER_PIECE; i++) if ((drained >>> i) & 1) told.add(bucketAt(first, i));
          expect(told).toEqual(new Set([...touched].filter((bucket) => bucket % 3 === 0)));
          for (const bucket of touched) expect(main.readers(bucket, 0) + main.readers(bucket, 1)).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a range of more buckets than a word has bits is refused", () => {
    const { reader } = make();
    expect(trackableChunks(3)).toBe(TRACK_BUCKETS_PER_PIECE * TRACK_CHUNKS_PER_BUCKET - 3);
    expect(() => reader.beginRange(3, trackableChunks(3) + 1)).toThrow("spans too many buckets");
    reader.endRange(3, trackableChunks(3), reader.beginRange(3, trackableChunks(3)));
  });
});
