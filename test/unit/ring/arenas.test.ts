import { expect, it } from "vitest";
import {
  INBOX_BYTES,
  MAX_CONNECTIONS_PER_WORKER,
  MAX_REPLIES_PER_SEND,
  MAX_REQUESTS_PER_WORKER,
  REPLY_BYTES_MAX,
  MAX_DEVICE_FILES,
  MAX_WHOLE_BYTES,
} from "../../../src/base/constants.ts";
import { COPY_ARENA_BYTES, COPY_SEGMENTS, COPY_SLOTS_AT, SEGMENT_BYTES } from "../../../src/ring/copy-arena.ts";
import * as exportArena from "../../../src/ring/export-arena.ts";
import {
  FILE_COUNT,
  FIRST_CONNECTION_FILE,
  FIRST_DEVICE_FILE,
  isDeviceFile,
  WAKE_FILE,
} from "../../../src/ring/file-table.ts";
import {
  METADATA_ARENA_BYTES,
  METADATA_IMAGES,
  METADATA_SLOT_BYTES,
  METADATA_SLOTS,
  METADATA_ZERO_BYTES,
  METADATA_ZEROES,
  metadataSlotAddress,
} from "../../../src/ring/metadata-arena.ts";
import { PAGE_BYTES, slotArenaBytes } from "../../../src/ring/slots.ts";

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

it("a connection's parts lie inside of its own, one behind the other, and its vectors are whole words", () => {
  const { RECEIVE_VECTOR, SEND_VECTOR, OUTPUT, OUTPUT_BYTES, CONNECTION_BYTES } = exportArena;
  // A receive's vector has two entries, a send's one for each reply.
  expect(RECEIVE_VECTOR).toBe(INBOX_BYTES);
  expect(SEND_VECTOR - RECEIVE_VECTOR).toBeGreaterThanOrEqual(2 * 8);
  expect(OUTPUT - SEND_VECTOR).toBe(MAX_REPLIES_PER_SEND * 8);
  expect(OUTPUT + OUTPUT_BYTES).toBeLessThanOrEqual(CONNECTION_BYTES);
  expect(CONNECTION_BYTES - OUTPUT - OUTPUT_BYTES).toBeLessThan(PAGE_BYTES);
  expect([RECEIVE_VECTOR % 4, SEND_VECTOR % 4, CONNECTION_BYTES % PAGE_BYTES]).toEqual([0, 0, 0]);
});

it("an export worker's arena has room for all headers, slots and connections, and no more", () => {
  const { EXPORT_HEADERS, EXPORT_ZEROES, EXPORT_ZERO_BYTES, EXPORT_SLOTS_AT, EXPORT_CONNECTIONS } = exportArena;
  const headers = MAX_REQUESTS_PER_WORKER * REPLY_BYTES_MAX;
  expect(EXPORT_ZEROES - EXPORT_HEADERS - headers).toBeGreaterThanOrEqual(0);
  expect(EXPORT_ZEROES - EXPORT_HEADERS - headers).toBeLessThan(PAGE_BYTES);
  expect(EXPORT_SLOTS_AT - EXPORT_ZEROES).toBe(EXPORT_ZERO_BYTES);
  expect(EXPORT_CONNECTIONS - EXPORT_SLOTS_AT).toBe(slotArenaBytes(exportArena.EXPORT_SLOTS));
  const connections = exportArena.EXPORT_ARENA_BYTES - EXPORT_CONNECTIONS;
  expect(connections).toBe(MAX_CONNECTIONS_PER_WORKER * exportArena.CONNECTION_BYTES);
});

it("what is registered with the ring is whole up to the end of the small slots", () => {
  const small = exportArena.EXPORT_SLOTS.filter(({ bytes }) => bytes < 2 ** 20);
  expect(exportArena.EXPORT_REGISTERED_BYTES - exportArena.EXPORT_SLOTS_AT).toBe(slotArenaBytes(small));
  expect(small).toHaveLength(2);
});

it("zeroes are written in whole pages, many at once; images and segments begin at pages", () => {
  expect([exportArena.EXPORT_ZERO_BYTES, METADATA_ZERO_BYTES]).toEqual([2 ** 18, 2 ** 18]);
  expect([METADATA_ZEROES, METADATA_IMAGES - METADATA_ZEROES]).toEqual([PAGE_BYTES, METADATA_ZERO_BYTES]);
  expect([metadataSlotAddress(0), metadataSlotAddress(1) - metadataSlotAddress(0)]).toEqual([
    ...[METADATA_IMAGES, METADATA_SLOT_BYTES],
  ]);
  expect([METADATA_SLOT_BYTES % PAGE_BYTES, SEGMENT_BYTES % PAGE_BYTES, COPY_SLOTS_AT % PAGE_BYTES]).toEqual([0, 0, 0]);
  expect(COPY_ARENA_BYTES - COPY_SLOTS_AT).toBe(COPY_SEGMENTS * SEGMENT_BYTES);
  expect([METADATA_SLOT_BYTES, SEGMENT_BYTES]).toEqual([2 ** 16, 2 ** 16]);
});

it("nobody has another's place in the file table", () => {
  const devices = Array.from({ length: MAX_DEVICE_FILES }, (_, i) => FIRST_DEVICE_FILE + i);
  const connections = Array.from({ length: MAX_CONNECTIONS_PER_WORKER }, (_, i) => FIRST_CONNECTION_FILE + i);
  const all = [WAKE_FILE, ...connections, ...devices];
  expect(all).toEqual(Array.from({ length: FILE_COUNT }, (_, i) => i));
  expect(all.filter(isDeviceFile)).toEqual(devices);
  expect([isDeviceFile(FILE_COUNT - 1), isDeviceFile(FILE_COUNT), isDeviceFile(-1)]).toEqual([true, false, false]);
});
