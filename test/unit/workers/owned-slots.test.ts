/**
 * Slots have one owner each, and bytes move only inside of them.
 */
import { expect, it } from "vitest";
import { MAX_PIECES_PER_WORKER, MAX_REQUESTS_PER_WORKER } from "../../../src/base/constants.ts";
import { EXPORT_SLOTS, EXPORT_SLOTS_AT } from "../../../src/ring/export-arena.ts";
import { PAGE_BYTES, slotArenaBytes, Slots, SlotFit } from "../../../src/ring/slots.ts";
import { OwnedSlots, pieceOwner, requestOwner } from "../../../workers/export/owned-slots.ts";

const KIB = 1024;
const ME = requestOwner(0);

function newSlots(): OwnedSlots {
  return new OwnedSlots(EXPORT_SLOTS, EXPORT_SLOTS_AT);
}

it("lie where the arena's slots lie", () => {
  const [owned, plain] = [newSlots(), new Slots(EXPORT_SLOTS, EXPORT_SLOTS_AT)];
  for (const bytes of [512, 16 * KIB, 17 * KIB, 1024 * KIB, 32 * 1024 * KIB]) {
    const slot = owned.take(bytes, ME, SlotFit.Smallest);
    expect(slot).toBe(plain.take(bytes, SlotFit.Smallest));
    expect([owned.address(slot), owned.scratch(slot)]).toEqual([plain.address(slot), plain.scratch(slot)]);
  }
});

it("every request and every piece is an owner of its own, and none of them nobody", () => {
  const requests = Array.from({ length: MAX_REQUESTS_PER_WORKER }, (_, i) => requestOwner(i));
  const pieces = Array.from({ length: MAX_PIECES_PER_WORKER }, (_, i) => pieceOwner(i));
  expect(new Set([...requests, ...pieces, 0]).size).toBe(MAX_REQUESTS_PER_WORKER + MAX_PIECES_PER_WORKER + 1);
  expect(Math.min(...requests, ...pieces)).toBe(1);
});

it("a request and a piece of the same number are two owners", () => {
  const slots = newSlots();
  const slot = slots.take(4096, requestOwner(5), SlotFit.Smallest);
  expect(() => slots.give(slot, pieceOwner(5))).toThrow("who does not have it");
  slots.give(slot, requestOwner(5));
  expect(() => slots.give(slot, requestOwner(5))).toThrow("who does not have it");
  expect(() => slots.address(slot)).toThrow("nobody has the slot");
  expect(slots.used()).toBe(0);
});

it("bytes move in the owner's slot: from the page before its bytes to the end of its scratch pages", () => {
  const slots = newSlots();
  const slot = slots.take(16 * KIB, ME, SlotFit.Smallest);
  const at = slots.address(slot);
  const end = slots.scratch(slot) + 2 * PAGE_BYTES;
  slots.assertHolds(slot, ME, at - 16, 16 + 16 * KIB);
  slots.assertHolds(slot, ME, end - PAGE_BYTES, PAGE_BYTES);
  slots.assertHolds(slot, ME, at - PAGE_BYTES, PAGE_BYTES);
  expect(() => slots.assertHolds(slot, ME, at - PAGE_BYTES - 1, 16)).toThrow("before their slot");
  expect(() => slots.assertHolds(slot, ME, end - 511, 512)).toThrow("behind their slot");
  expect(() => slots.assertHolds(slot, ME, at, 0)).toThrow("no bytes");
  expect(() => slots.assertHolds(slot, requestOwner(1), at, 512)).toThrow("another's");
});

it("end below 2 GiB: addresses are whole numbers of 32 bits", () => {
  const classes = [{ bytes: 16 * KIB, count: 1 }];
  const bytes = slotArenaBytes(classes);
  expect(new OwnedSlots(classes, 2 ** 31 - bytes - PAGE_BYTES).used()).toBe(0);
  expect(() => new OwnedSlots(classes, 2 ** 31 - bytes)).toThrow("no small numbers");
});

it("who has something already gets none of the next larger ones", () => {
  const slots = newSlots();
  while (slots.take(16 * KIB, ME, SlotFit.Smallest) !== -1);
  expect(slots.take(512, ME, SlotFit.Smallest)).toBe(-1);
  const larger = slots.take(512, ME, SlotFit.NextLarger);
  expect(slots.scratch(larger) - slots.address(larger)).toBeGreaterThan(128 * KIB);
});
