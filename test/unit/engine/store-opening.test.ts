/** A store whose COW file is made while it is opened, and does not come to be: what was made goes again, and nothing else. */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import type * as FileSpace from "../../../src/device/file-space.ts";
import type { Native } from "../../../src/device/native.ts";
import { openStore, type StoreSurroundings, type StoreTies } from "../../../src/engine/store-opening.ts";
import { VolumeDevice } from "../../../src/engine/volume-device.ts";
import { openDevice } from "../../../src/opening/open-device.ts";
import { inlineOpenings } from "../../support/inline-openings.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

/** A file system without fallocate, where all of the file is written. */
vi.mock("../../../src/device/file-space.ts", async (importOriginal) => {
  const real = await importOriginal<typeof FileSpace>();
  const refusal = (): number => -errno.EOPNOTSUPP;
  const native = { reserveFile: refusal, forbidCopyOnWrite: refusal } as unknown as Native;
  return { ...real, usedNative: () => native };
});

const MIB = 2 ** 20;
let scratch: Scratch;
let origin: VolumeDevice;
let cow: string;

beforeEach(async () => {
  scratch = await makeScratch();
  const path = scratch.file("origin");
  cow = scratch.file("s.cow");
  writeFileSync(path, new Uint8Array(MIB));
  origin = new VolumeDevice(openDevice({ path, what: "origin", readOnly: false, direct: false, unlocked: false }));
});

afterEach(async () => {
  origin.close();
  await scratch.remove();
});

function around(more: Partial<StoreSurroundings>, tie: () => never): StoreSurroundings {
  const look: StoreTies["look"] = ({ cow: path }) => Promise.resolve({ isThere: existsSync(path), known: undefined });
  const ties = { look, missing: () => {}, refuseTransient: () => {}, tie };
  const how = { direct: false, readOnly: false, unlocked: false, mode: "auto", make: true } as const;
  return { openings: inlineOpenings, origin, cows: [], ...how, log: () => {}, ties, ...more };
}

const unreachable = (): never => expect.unreachable("the store is not opened");

test("is aborted while its file is written, which is gone then", async () => {
  // It was not looked at before the last byte: hours, for a large file on such a file system.
  const stopper = new AbortController();
  const lines: string[] = [];
  const log = (line: string): void => {
    lines.push(line);
    stopper.abort("enough");
  };
  const opening = openStore({ name: "s", cow, size: 16 * MIB }, around({ log, stop: stopper.signal }, unreachable));
  await expect(opening).rejects.toMatchObject({ name: "AbortError", code: "ABORT_ERR", cause: "enough" });
  expect(lines).toEqual([expect.stringContaining("zeroes are written: 25 %")]);
  expect(readdirSync(scratch.path)).toEqual(["origin"]);
});

test("a file that another one has put in the place of the one that was made stays", async () => {
  const refuse = (): never => {
    renameSync(cow, scratch.file("elsewhere"));
    writeFileSync(cow, "another's");
    throw new Error("refused");
  };
  await expect(openStore({ name: "s", cow, size: MIB }, around({}, refuse))).rejects.toThrow("refused");
  expect(readFileSync(cow, "utf8")).toBe("another's");
});

test("the file that was made goes where its store is refused", async () => {
  const refuse = (): never => {
    throw new Error("refused");
  };
  await expect(openStore({ name: "s", cow, size: MIB }, around({}, refuse))).rejects.toThrow("refused");
  expect(existsSync(cow)).toBe(false);
});
