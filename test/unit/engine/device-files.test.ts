/** The numbers of devices in the rings' file tables: the lowest free one, and none twice. */
import { expect, it } from "vitest";
import { DeviceFiles } from "../../../src/engine/device-files.ts";
import { FILE_COUNT, FIRST_DEVICE_FILE } from "../../../src/ring/file-table.ts";

it("the lowest free number is taken, and one that has been given back is used again (C-19)", () => {
  const files = new DeviceFiles();
  const [a, b, c] = [files.take(), files.take(), files.take()];
  expect([a, b, c]).toEqual([0, 1, 2].map((i) => FIRST_DEVICE_FILE + i));
  files.give(c);
  files.give(a);
  expect([files.count, files.take(), files.take(), files.take()]).toEqual([1, a, c, FIRST_DEVICE_FILE + 3]);
});

it("is refused in words where there are too many, and all are as before", () => {
  const files = new DeviceFiles(2);
  const first = files.take();
  files.take();
  expect(() => files.take()).toThrow("at most 2 devices");
  files.give(first);
  expect([files.take(), files.count]).toEqual([first, 2]);
});

it("the last place of the table is a device's", () => {
  const files = new DeviceFiles();
  let last = 0;
  for (let i = FIRST_DEVICE_FILE; i < FILE_COUNT; i++) last = files.take();
  expect(last).toBe(FILE_COUNT - 1);
  expect(() => files.take()).toThrow("devices open");
});

it("a number is given back once", () => {
  const files = new DeviceFiles();
  const file = files.take();
  files.give(file);
  expect(() => files.give(file)).toThrow("given back twice");
});
