import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { median, mostFrequent, spreadOf } from "../../../bench/median.ts";

describe("median", () => {
  it("is the middle one of an odd number of values, whatever their order", () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  it("is the mean of the two in the middle of an even number of values", () => {
    expect(median([10, 1, 4, 2])).toBe(3);
  });

  it("sorts as numbers, not as words", () => {
    expect(median([9, 10, 100])).toBe(10);
  });

  it("refuses no values", () => {
    expect(() => median([])).toThrow(/needs a value/);
  });

  it("has as many values below as above, and leaves its input alone", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const before = [...values];
        const m = median(values);
        expect(values).toEqual(before);
        expect(values.filter((v) => v < m).length).toBeLessThanOrEqual(values.length / 2);
        expect(values.filter((v) => v > m).length).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });
});

describe("spread", () => {
  it("holds the median and the ends", () => {
    expect(spreadOf([3, 1, 8])).toEqual({ median: 3, min: 1, max: 8 });
  });
});

describe("the most frequent value", () => {
  it("is that which occurs most often, the first of several", () => {
    expect(mostFrequent(["disk", "cpu", "cpu"])).toBe("cpu");
    expect(mostFrequent(["disk", "cpu"])).toBe("disk");
  });
});
