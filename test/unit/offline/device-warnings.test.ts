/** What is said of devices before they are trusted: a tail that is not used (S-18), a lock that could not be had (E-42). */
import { expect, it } from "vitest";
import type { DeviceFile } from "../../../src/device/device-file.ts";
import { deviceWarnings, tailWarnings } from "../../../src/offline/device-warnings.ts";

function device(path: string, tailBytes: number, lockWarning?: string): DeviceFile {
  return { path, tailBytes, lockWarning } as unknown as DeviceFile;
}

const whole = device("whole.img", 0);
const long = device("long.img", 1);
const open = device("open.img", 0, "open.img is not locked");

it("each device's own, the tails before the locks", () => {
  const tail = "long.img: the last 1 bytes fill no sector and are not used";
  expect([tailWarnings(whole), deviceWarnings(whole)]).toEqual([[], []]);
  expect(tailWarnings(open, long, whole)).toEqual([tail]);
  expect(deviceWarnings(open, long, whole)).toEqual([tail, "open.img is not locked"]);
});
