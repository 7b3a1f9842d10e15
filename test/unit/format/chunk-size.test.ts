import { expect, test } from "vitest";
import { chunkSizeFault, parseChunkSize, resolveChunkSize } from "../../../src/format/chunk-size.ts";

const files = { origin: 512, cow: 512 };

test.each(["", "x", "8k", "-1", "1.5", "4294967296", "0x10"])("a chunk size of %j is no number (S-15)", (text) => {
  expect(() => parseChunkSize(text)).toThrow(
    expect.objectContaining({ code: "EINVAL", message: "Invalid chunk size" }),
  );
});

test("a chunk size of 0 means 32 sectors or the logical block size, whichever is larger (S-16)", () => {
  expect(resolveChunkSize(parseChunkSize("0"), files)).toBe(32);
  expect(resolveChunkSize(0, { origin: 512, cow: 65536 })).toBe(128);
});

test.each([3, 12, 33, 2 ** 22 + 1])("%d is not a power of two (S-17)", (sectors) => {
  expect(() => resolveChunkSize(sectors, files)).toThrow(
    expect.objectContaining({ code: "EINVAL", message: "Chunk size is not a power of 2" }),
  );
});

test("a chunk must be a multiple of the logical blocks of origin and cow (S-18)", () => {
  const message = "Chunk size is not a multiple of device blocksize";
  expect(chunkSizeFault(4, { origin: 512, cow: 4096 })).toBe(message);
  expect(chunkSizeFault(4, { origin: 4096, cow: 512 })).toBe(message);
  expect(chunkSizeFault(4, { cow: 512 })).toBeUndefined();
  expect(chunkSizeFault(8, { origin: 4096, cow: 4096 })).toBeUndefined();
});

test("the largest chunk is 2^21 sectors: 2^22 are above (2^31 - 1) / 512 (S-19)", () => {
  expect(chunkSizeFault(2 ** 21, files)).toBeUndefined();
  expect(chunkSizeFault(2 ** 22, files)).toBe("Chunk size is too high");
  expect(chunkSizeFault(2 ** 30, files)).toBe("Chunk size is too high");
});

test("an error of the power of two comes before one of the block size, that before one of the limit (S-17, S-18, S-19)", () => {
  expect(chunkSizeFault(3, { origin: 4096, cow: 4096 })).toBe("Chunk size is not a power of 2");
  expect(chunkSizeFault(0, files)).toBe("Chunk size is not a power of 2");
});

test.each(["+8", "8.0", "8e0", " 8", "8 ", "08x", "x8"])(
  "a chunk size of %j is no number, whatever else takes it for one (S-15)",
  (text) => {
    expect(() => parseChunkSize(text)).toThrow("Invalid chunk size");
  },
);

test("the largest number that a chunk size is read as has 32 bits (S-15)", () => {
  expect([parseChunkSize("4294967295"), parseChunkSize("0010")]).toEqual([4294967295, 10]);
});

test("the block size of either device may be what a chunk begins with (S-16)", () => {
  expect(resolveChunkSize(0, { origin: 65536, cow: 512 })).toBe(128);
  expect(resolveChunkSize(0, { cow: 512 })).toBe(32);
  expect(resolveChunkSize(8, files)).toBe(8);
});

test("one of the block size comes before one of the limit (S-18, S-19)", () => {
  expect(chunkSizeFault(2 ** 22, { origin: 512, cow: 2 ** 32 })).toBe(
    "Chunk size is not a multiple of device blocksize",
  );
});
