import fc from "fast-check";
import { expect, test } from "vitest";
import { SnapringError } from "../../../src/base/errno.ts";
import { StoreLoader } from "../../../src/core/store-loader.ts";
import { CowGeometry } from "../../../src/format/cow-geometry.ts";
import { encodeHeader } from "../../../src/format/disk-header.ts";
import { MetadataArea } from "../../../src/format/metadata-area.ts";
import { openImage, putException, storeImage, type ExceptionPair } from "../../support/store-image.ts";

const K = 1024;
const CHUNK = 8;
const EPA = 256;

/** The first `count` exceptions of a store that was filled in order. */
function inOrder(count: number): ExceptionPair[] {
  return Array.from({ length: count }, (_, i) => [i, 2 + i + Math.floor(i / EPA)] as const);
}

function header(image: Uint8Array, at: number, word: number): Uint8Array {
  new DataView(image.buffer).setUint32(at, word, true);
  return image;
}

test("a blank device is a new store: next free 2, nothing committed (S-31)", () => {
  const { loaded } = openImage(new Uint8Array(64 * K));
  expect(loaded).toMatchObject({
    state: "new",
    chunkSectors: 32,
    nextFree: 2,
    currentArea: 0,
    committed: 0,
    exceptions: 0,
  });
});

test("two chunks open, fewer do not (S-31)", () => {
  expect(openImage(new Uint8Array(8 * K), { chunkSectors: 8 }).loaded.state).toBe("new");
  expect(() => openImage(new Uint8Array(8 * K - 512), { chunkSectors: 8 })).toThrow(
    expect.objectContaining({ code: "EIO" }),
  );
});

test("a device shorter than one chunk of the default size: EIO (S-30)", () => {
  expect(() => openImage(storeImage(6144, 8))).toThrow(expect.objectContaining({ code: "EIO" }));
});

test("a supplied chunk size is checked before anything is read (S-17)", () => {
  const options = { cowBytes: 64 * K, chunkSectors: 12, blocks: { cow: 512 } };
  expect(() => new StoreLoader(options, () => undefined)).toThrow(
    expect.objectContaining({ code: "EINVAL", message: "Chunk size is not a power of 2" }),
  );
});

test.each([
  ["magic", 0, 0x12345678, "ENXIO", "Invalid or corrupt snapshot"],
  ["chunk size 0", 12, 0, "EINVAL", "invalid on-disk chunk size 0: Chunk size is not a power of 2."],
  ["chunk size 12", 12, 12, "EINVAL", "invalid on-disk chunk size 12: Chunk size is not a power of 2."],
  ["chunk size 2^30", 12, 2 ** 30, "EINVAL", "invalid on-disk chunk size 1073741824: Chunk size is too high."],
  ["version", 8, 2, "EINVAL", "unable to handle snapshot disk version 2"],
])("a bad %s is refused with the kernel's words (S-32, S-33, S-34)", (_, at, word, code, message) => {
  expect(() => openImage(header(storeImage(64 * K, 8), at, word))).toThrow(expect.objectContaining({ code, message }));
});

test("the checks come in the order magic, chunk size, version, valid (S-34)", () => {
  const image = storeImage(64 * K, 8);
  header(header(header(image, 4, 0), 8, 9), 12, 12);
  expect(() => openImage(image)).toThrow("invalid on-disk chunk size 12");
  header(image, 12, 8);
  expect(() => openImage(image)).toThrow("disk version 9");
  header(image, 8, 1);
  expect(openImage(image).loaded.state).toBe("invalid");
});

test("a dropped store opens as invalid and loads no exception (S-35)", () => {
  const { loaded, exceptions } = openImage(header(storeImage(64 * K, 8, inOrder(3)), 4, 0));
  expect(loaded.state).toBe("invalid");
  expect(exceptions).toEqual([]);
});

test("any other value of valid counts as valid (S-35)", () => {
  expect(openImage(header(storeImage(64 * K, 8), 4, 77)).loaded.state).toBe("active");
});

test("the header's chunk size wins, with a warning if another was supplied (S-33)", () => {
  const image = storeImage(64 * K, 8, inOrder(3));
  expect(openImage(image).loaded.warnings).toEqual([]);
  const { loaded } = openImage(image, { chunkSectors: 32 });
  expect(loaded.chunkSectors).toBe(8);
  expect(loaded.warnings).toEqual(["chunk size 8 in device metadata overrides table chunk size of 32."]);
});

test.each([0, 1, 255, 256, 257, 700])(
  "%d exceptions load in order over several areas, at any read-ahead (S-36)",
  (count) => {
    const pairs = inOrder(count);
    const image = storeImage(4 * K * K, CHUNK, pairs);
    for (const depth of [1, 3, 64]) {
      const { loaded, exceptions } = openImage(image, {}, depth);
      expect(exceptions).toEqual(pairs);
      expect(loaded).toMatchObject({
        state: "active",
        currentArea: Math.floor(count / EPA),
        committed: count % EPA,
        exceptions: count,
      });
      const next = 2 + count + Math.floor(count / EPA);
      expect(loaded.nextFree).toBe(count === 256 ? 259 : next);
      expect(loaded.highWater).toHaveLength(loaded.currentArea);
    }
  },
);

test("next free is one behind the largest new chunk, whatever the order and the holes (S-6, S-36)", () => {
  const { loaded } = openImage(
    storeImage(4 * K * K, CHUNK, [
      [1, 9],
      [2, 257],
      [3, 4],
    ]),
  );
  expect(loaded.nextFree).toBe(259);
});

test("a new chunk of 0 ends the list; what stands behind it is cleared in memory and reported (S-3, S-7)", () => {
  const image = storeImage(64 * K, CHUNK, inOrder(6));
  putException(image, CHUNK, 3, 6, 0);
  const { loaded, exceptions } = openImage(image);
  expect(exceptions).toHaveLength(3);
  expect(loaded.staleTail).toBe(true);
  expect(loaded.area).toEqual(image.slice(CHUNK * 512, CHUNK * 512 + 48));
  expect(openImage(storeImage(64 * K, CHUNK, inOrder(3))).loaded.staleTail).toBe(false);
});

const LARGE = new CowGeometry(4096);

/** The metadata of a store with chunks of 2 MiB, which is too large to be there: every range that the loader wants, made when it wants it. */
function openLarge(count: number, stale = -1, bad = -1): { loader: StoreLoader; found: number; lengths: Set<number> } {
  const [MIB, EPA2] = [K * K, LARGE.exceptionsPerArea];
  let found = 0;
  const lengths = new Set<number>();
  const cowBytes = 3 * LARGE.stride * LARGE.chunkBytes;
  const loader = new StoreLoader({ cowBytes, chunkSectors: 0, blocks: { cow: 512 } }, (oldChunk, newChunk) => {
    if (oldChunk === found && newChunk === 2 + found + Math.floor(found / EPA2)) found += 1;
  });
  for (let range = loader.wanted; range !== undefined; range = loader.wanted) {
    const bytes = new Uint8Array(range.length);
    if (range.area === -1) bytes.set(encodeHeader(true, LARGE.chunkSectors));
    else {
      lengths.add(range.length);
      const first = range.area * EPA2 + (range.position - LARGE.areaPosition(range.area)) / 16;
      const piece = new MetadataArea(bytes);
      for (let slot = 0; slot < MIB / 16; slot++) {
        const index = first + slot;
        if (index < count || index === stale)
          piece.set(slot, index, index === bad ? 1 : 2 + index + Math.floor(index / EPA2));
      }
    }
    loader.feed(bytes);
  }
  return { loader, found, lengths };
}

test.each([1, 65_536, 65_537, 131_071, 131_072, 200_000])(
  "areas of more than a MiB come in pieces, and only what they list is kept: %d exceptions",
  (count) => {
    const { loader, found, lengths } = openLarge(count);
    expect(found).toBe(count);
    expect([...lengths]).toEqual([K * K]);
    const loaded = loader.result();
    const committed = count % LARGE.exceptionsPerArea;
    expect(loaded).toMatchObject({
      currentArea: Math.floor(count / LARGE.exceptionsPerArea),
      committed,
      staleTail: false,
    });
    expect(loaded.area.length).toBe(committed * 16);
    const kept = new MetadataArea(loaded.area);
    if (committed > 0) expect(kept.oldChunk(committed - 1)).toBe(count - 1);
    if (committed > 0) expect(kept.oldChunk(0)).toBe(count - committed);
  },
);

test("what is stale in a later piece than the end of the list is found (S-7); what is corrupt there is named by its place in the area", () => {
  expect(openLarge(10, 131_071).loader.result()).toMatchObject({ staleTail: true, committed: 10 });
  expect(openLarge(65_536, 65_540).loader.result()).toMatchObject({ staleTail: true, committed: 65_536 });
  expect(() => openLarge(70_000, -1, 65_540)).toThrow("exception 65540 of area 0: new chunk 1 is a metadata chunk");
});

test("the area behind a full one may be missing, area 0 may not (S-42)", () => {
  const { loaded } = openImage(storeImage(258 * 4 * K, CHUNK, inOrder(256)));
  expect(loaded).toMatchObject({ areaMissing: true, currentArea: 1, committed: 0, highWater: [257] });
  expect(() => openImage(storeImage(4 * K + 512, CHUNK), { chunkSectors: 1 })).toThrow(
    expect.objectContaining({ code: "EIO" }),
  );
});

test.each<[string, ExceptionPair, string]>([
  ["old chunk twice", [1, 100], "exception 3 of area 0: old chunk 1 appears twice"],
  ["new chunk twice", [50, 3], "exception 3 of area 0: new chunk 3 appears twice"],
  [
    "new chunk behind the device",
    [50, 5000],
    "exception 3 of area 0: new chunk 5000 is beyond the end of the cow device (1024 chunks)",
  ],
  ["new chunk on an area", [50, 258], "exception 3 of area 0: new chunk 258 is a metadata chunk"],
  [
    "old chunk behind the origin",
    [256, 9],
    "exception 3 of area 0: old chunk 256 is beyond the end of the origin (256 chunks)",
  ],
])("a corrupt store is refused with area, index and value: %s (S-38)", (_, pair, message) => {
  const image = storeImage(4 * K * K, CHUNK, [...inOrder(3), pair]);
  expect(() => openImage(image, { originSectors: 2048 })).toThrow(
    expect.objectContaining({ code: "EIO", message: `corrupt snapshot: ${message}` }),
  );
});

test("a number that needs more than 56 bits is a corruption, named exactly (S-39)", () => {
  const image = storeImage(4 * K * K, CHUNK, inOrder(2));
  new DataView(image.buffer).setBigUint64(4096 + 16, 2n ** 57n + 1n, true);
  expect(() => openImage(image)).toThrow(/exception 1 of area 0: old chunk 144115188075855873 is beyond/);
});

test("an old chunk is not compared with an origin that is not known (S-38)", () => {
  expect(openImage(storeImage(4 * K * K, CHUNK, [[2 ** 40, 2]])).exceptions).toEqual([[2 ** 40, 2]]);
});

test("a read error fails the opening with that error (S-37)", () => {
  const loader = new StoreLoader({ cowBytes: 64 * K, chunkSectors: 8, blocks: { cow: 512 } }, () => undefined);
  loader.feed(storeImage(64 * K, 8).slice(0, 4096));
  expect(() => loader.fail(5)).toThrow(
    expect.objectContaining({ code: "EIO", message: expect.stringContaining("area 0") as string }),
  );
});

test("random corruption of metadata never crashes: it opens, or it is refused with a known code (S-32…S-39)", () => {
  const base = storeImage(2 * K * K, CHUNK, inOrder(300));
  const damage = fc.array(fc.tuple(fc.nat(260 * 4096), fc.nat(255)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(damage, fc.boolean(), (bytes, headerToo) => {
      const image = base.slice();
      for (const [at, value] of bytes) {
        const inMetadata = at < 4096 ? at % 16 : at % 8192 < 4096 ? 4096 + (at % 4096) : 258 * 4096 + (at % 4096);
        if (inMetadata >= 16 || headerToo) image[inMetadata] = value;
      }
      try {
        const { loaded, exceptions } = openImage(image, { originSectors: 4096 });
        expect(loaded.exceptions).toBe(exceptions.length);
        expect(new Set(exceptions.map(([oldChunk]) => oldChunk)).size).toBe(exceptions.length);
        expect(new Set(exceptions.map(([, newChunk]) => newChunk)).size).toBe(exceptions.length);
      } catch (error) {
        expect(error).toBeInstanceOf(SnapringError);
        expect(["EIO", "ENXIO", "EINVAL"]).toContain((error as SnapringError).code);
      }
    }),
    { numRuns: 150 },
  );
});
