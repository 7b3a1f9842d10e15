import { closeSync, openSync } from "node:fs";
import { expect, it } from "vitest";
import { descriptorRoom, softLimit } from "../../../src/device/free-descriptors.ts";

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max processes             31500                31500                processes
Max open files            1024                 524288               files
Max locked memory         8388608              8388608              bytes
`;

it("the soft limit counts, which is the one that refuses", () => {
  expect(softLimit(LIMITS)).toBe(1024);
  expect(softLimit("Max open files            unlimited            unlimited            files")).toBe(Infinity);
});

it("what is open is not free", () => {
  const before = descriptorRoom();
  const files = [openSync("/dev/null", "r"), openSync("/dev/null", "r")];
  const after = descriptorRoom();
  files.forEach((fd) => closeSync(fd));
  expect(before.limit - before.free).toBeGreaterThan(2);
  expect(after).toEqual({ limit: before.limit, free: before.free - 2 });
});
