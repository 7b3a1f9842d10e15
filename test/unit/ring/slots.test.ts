import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PAGE_BYTES, Slots, slotArenaBytes, SlotFit } from "../../../src/ring/slots.ts";

const CLASSES = [
  { bytes: 4 * PAGE_BYTES, count: 3 },
  { bytes: 16 * PAGE_BYTES, count: 2 },
  { bytes: 64 * PAGE_BYTES, count: 1 },
];

describe("data slots", () => {
  it("are page-aligned and have room for a page before, a page more, and two scratch pages", () => {
    const slots = new Slots(CLASSES, PAGE_BYTES);
    const ranges: [number, number][] = [];
    for (const { bytes, count } of CLASSES) {
      for (let i = 0; i < count; i++) {
        const slot = slots.take(bytes, SlotFit.NextLarger);
        const address = slots.address(slot);
        expect(address % PAGE_BYTES).toBe(0);
        expect(slots.scratch(slot)).toBe(address + bytes + PAGE_BYTES);
        ranges.push([address - PAGE_BYTES, slots.scratch(slot) + 2 * PAGE_BYTES]);
      }
    }
    ranges.sort((a, b) => a[0] - b[0]);
    ranges.reduce((end, [from, to]) => {
      expect(from).toBeGreaterThanOrEqual(end);
      return to;
    }, PAGE_BYTES);
    expect(ranges[ranges.length - 1][1]).toBe(PAGE_BYTES + slotArenaBytes(CLASSES));
  });

  it("let a small request have a slot of the next class, but not of one beyond", () => {
    const slots = new Slots(CLASSES, 0);
    const taken = [1, 2, 3, 4, 5].map(() => slots.take(100, SlotFit.NextLarger));
    expect(taken.every((slot) => slot >= 0)).toBe(true);
    expect(slots.take(100, SlotFit.NextLarger)).toBe(-1);
    expect(slots.take(64 * PAGE_BYTES, SlotFit.NextLarger)).toBeGreaterThanOrEqual(0);
  });

  it("come from the classes that are asked for only, and tell how many are free", () => {
    const slots = new Slots(CLASSES, 0);
    const free = (): number[] => [0, 1, 2].map((k) => slots.free(k));
    expect(free()).toEqual([3, 2, 1]);
    const slot = slots.take(100, SlotFit.NextLarger, 0b010);
    expect([slots.classOf(slot), free()]).toEqual([1, [3, 1, 1]]);
    expect(slots.take(100, SlotFit.NextLarger, 0b100)).toBe(-1);
    slots.give(slot);
    expect(free()).toEqual([3, 2, 1]);
  });

  it("refuse a request that is larger than every class", () => {
    expect(new Slots(CLASSES, 0).take(65 * PAGE_BYTES, SlotFit.NextLarger)).toBe(-1);
  });

  it("notice a slot that is given back twice", () => {
    const slots = new Slots(CLASSES, 0);
    slots.give(slots.take(1, SlotFit.NextLarger));
    expect(() => slots.give(0)).toThrow("twice");
  });

  it("never hand one slot to two owners", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(64 * PAGE_BYTES), { maxLength: 300 }), (sizes) => {
        const slots = new Slots(CLASSES, 0);
        const held: number[] = [];
        for (const bytes of sizes) {
          const slot = bytes % 3 === 0 ? -1 : slots.take(Math.max(1, bytes), SlotFit.NextLarger);
          if (slot >= 0) {
            expect(held).not.toContain(slot);
            held.push(slot);
          } else if (held.length > 0) {
            slots.give(held.splice(bytes % held.length, 1)[0]);
          }
          expect(slots.used()).toBe(held.length);
        }
      }),
    );
  });
});

describe("the classes of slots", () => {
  it("are told by what fits", () => {
    const slots = new Slots(CLASSES, 0);
    expect(slots.sizeClasses).toBe(3);
    const sizes = [1, 4 * PAGE_BYTES, 4 * PAGE_BYTES + 1, 64 * PAGE_BYTES, 64 * PAGE_BYTES + 1];
    expect(sizes.map((bytes) => slots.sizeClass(bytes))).toEqual([0, 0, 1, 2, -1]);
  });

  it("lie one behind the other, from the base on, each slot with a page before it", () => {
    const slots = new Slots(CLASSES, 8 * PAGE_BYTES);
    expect([0, 1, 3, 5].map((slot) => slots.address(slot) / PAGE_BYTES)).toEqual([9, 17, 33, 73]);
    expect(slots.scratch(3) / PAGE_BYTES).toBe(33 + 17);
    expect(slotArenaBytes(CLASSES) / PAGE_BYTES).toBe(3 * 8 + 2 * 20 + 68);
  });

  it("are handed out in order, and one that came back last is the next", () => {
    const slots = new Slots(CLASSES, 0);
    expect([slots.take(1, SlotFit.NextLarger), slots.take(1, SlotFit.NextLarger)]).toEqual([0, 1]);
    slots.give(0);
    expect([slots.take(1, SlotFit.NextLarger), slots.take(1, SlotFit.NextLarger), slots.used()]).toEqual([0, 2, 3]);
  });

  it("for `Smallest`, only the smallest that fits is looked at", () => {
    const slots = new Slots(CLASSES, 0);
    expect([1, 2, 3, 4].map(() => slots.take(100, SlotFit.Smallest))).toEqual([0, 1, 2, -1]);
    expect([1, 2, 3].map(() => slots.take(5 * PAGE_BYTES, SlotFit.Smallest))).toEqual([3, 4, -1]);
    expect([slots.take(64 * PAGE_BYTES, SlotFit.Smallest), slots.take(64 * PAGE_BYTES, SlotFit.Smallest)]).toEqual([
      5, -1,
    ]);
  });

  it("are whole pages, and so is where they begin", () => {
    expect(() => new Slots(CLASSES, 100)).toThrow();
    expect(() => new Slots([{ bytes: 100, count: 1 }], 0)).toThrow();
  });

  it("notice that a slot of any class was given back twice", () => {
    const slots = new Slots(CLASSES, 0);
    slots.take(1, SlotFit.NextLarger);
    expect(() => slots.give(3)).toThrow("twice");
    expect(() => slots.give(5)).toThrow("twice");
  });
});
