/** What is known of a store before anything is in it. */
import { expect, test } from "vitest";
import { transientStore } from "../../../src/core/loaded-store.ts";

test("a transient store has nothing, lacks nothing on its device, and tells nobody anything (S-13)", () => {
  const store = transientStore(8, 800);
  expect(store).toMatchObject({ state: "new", persistent: false, chunkSectors: 8, cowSectors: 800, exceptions: 0 });
  expect([store.staleTail, store.areaMissing, store.highWater, store.warnings]).toEqual([false, false, [], []]);
  expect(store.area).toHaveLength(0);
});
