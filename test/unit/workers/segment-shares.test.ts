import { expect, test } from "vitest";
import { COMMON, NO_SHARE, SegmentShares } from "../../../workers/copy/segment-shares.ts";
import { MANY_DEVICES } from "../../../workers/copy/segmented-copy.ts";
import { cowComes } from "../../support/device-numbers.ts";

const SEGMENTS = 128;

function sharesOf(devices: number, segments = SEGMENTS): SegmentShares {
  const shares = new SegmentShares(segments);
  shares.filesChanged({ file: 0, fd: 0, inline: false, cow: false });
  for (let file = 1; file <= devices; file++) shares.filesChanged(cowComes(file));
  return shares;
}

/** As many as it gets. */
function takeAll(shares: SegmentShares, device: number): number {
  let taken = 0;
  while (shares.take(device) !== NO_SHARE) taken += 1;
  return taken;
}

test("a device that is alone may have nearly all segments", () => {
  expect(takeAll(sharesOf(1), 1)).toBe(112);
});

test("where every other device has taken all it can, each one still has its own", () => {
  for (const devices of [2, 3, 8, 31, 60]) {
    const shares = sharesOf(devices);
    takeAll(shares, MANY_DEVICES);
    const own = Array.from({ length: devices }, (_, i) => takeAll(shares, 1 + i));
    expect(Math.min(...own), `${devices} devices`).toBeGreaterThan(0);
    expect(new Set(own).size).toBe(1);
  }
});

test("what several have is never more than what is common", () => {
  expect(takeAll(sharesOf(2), MANY_DEVICES)).toBe(96);
  expect(takeAll(sharesOf(60), MANY_DEVICES)).toBeGreaterThanOrEqual(64);
});

test("a device that comes when the others have taken all they can finds its own", () => {
  const shares = sharesOf(1);
  const before = takeAll(shares, 1);
  shares.filesChanged(cowComes(2));
  expect(takeAll(shares, 1)).toBe(0);
  const own = takeAll(shares, 2);
  expect(own).toBeGreaterThan(0);
  expect(before + own).toBeLessThanOrEqual(SEGMENTS);
});

test("a segment that comes back is its share's again", () => {
  const shares = sharesOf(2);
  takeAll(shares, 1);
  shares.give(1);
  expect([shares.hasCommon, shares.take(2), shares.take(1), shares.take(1)]).toEqual([false, 2, 1, NO_SHARE]);
  shares.give(COMMON);
  expect([shares.hasCommon, shares.take(MANY_DEVICES), shares.take(MANY_DEVICES)]).toEqual([true, COMMON, NO_SHARE]);
  expect(() => sharesOf(2).give(1)).toThrow("given back twice");
});

test("a device that has gone leaves its share to the others", () => {
  const shares = sharesOf(2);
  shares.filesChanged({ gone: [2] });
  shares.filesChanged({ gone: [2] });
  expect(takeAll(shares, 1)).toBe(112);
});

test("few segments are common to all, and so they are for a device too many", () => {
  for (const segments of [1, 2, 3]) expect(takeAll(sharesOf(2, segments), MANY_DEVICES)).toBe(segments);
  const shares = sharesOf(200);
  takeAll(shares, MANY_DEVICES);
  expect([takeAll(shares, 1), takeAll(shares, 200)]).toEqual([1, 0]);
});
