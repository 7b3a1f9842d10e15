import { expect, it } from "vitest";
import { MAX_WHOLE_BYTES } from "../../../src/base/constants.ts";
import * as exportArena from "../../../src/ring/export-arena.ts";
import { METADATA_ARENA_BYTES, METADATA_SLOTS, metadataSlotAddress } from "../../../src/ring/metadata-arena.ts";
import { PAGE_BYTES } from "../../../src/ring/slots.ts";

it("an export worker's arena has its parts one behind the other, page-aligned, below 4 GiB", () => {
  const { EXPORT_HEADERS, EXPORT_ZEROES, EXPORT_SLOTS_AT, EXPORT_CONNECTIONS, EXPORT_ARENA_BYTES } = exportArena;
  const starts = [EXPORT_HEADERS, EXPORT_ZEROES, EXPORT_SLOTS_AT, EXPORT_CONNECTIONS, EXPORT_ARENA_BYTES];
  expect(starts.every((at) => at % PAGE_BYTES === 0)).toBe(true);
  expect([...starts].sort((a, b) => a - b)).toEqual(starts);
  expect(EXPORT_ARENA_BYTES).toBeLessThan(2 ** 32);
});

it("an export worker has slots for the largest payload that is kept whole", () => {
  expect(Math.max(...exportArena.EXPORT_SLOTS.map((c) => c.bytes))).toBe(MAX_WHOLE_BYTES);
});

it("the registered part of an export arena ends before the large slots", () => {
  expect(exportArena.EXPORT_REGISTERED_BYTES).toBeLessThan(exportArena.EXPORT_CONNECTIONS);
  expect(exportArena.EXPORT_REGISTERED_BYTES).toBeLessThan(32 * 1024 * 1024);
});

it("the metadata arena ends behind its last image slot", () => {
  expect(metadataSlotAddress(METADATA_SLOTS)).toBe(METADATA_ARENA_BYTES);
});
