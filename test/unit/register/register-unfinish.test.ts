/** A register on a full file system, where it is written in place: all of it, however short the writes are. */
import { readFileSync, writeFileSync } from "node:fs";
import type * as Promises from "node:fs/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { unfinishRegisterFile } from "../../../src/register/register-file.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

const WRITE_BYTES_MAX = 100;

vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof Promises>();
  return {
    ...real,
    open: async (...given: Parameters<typeof Promises.open>) => {
      const handle = await real.open(...given);
      const write = handle.write.bind(handle) as (...words: unknown[]) => Promise<unknown>;
      const short = (bytes: Uint8Array | string, ...rest: unknown[]): Promise<unknown> =>
        typeof bytes === "string"
          ? write(bytes.slice(0, WRITE_BYTES_MAX), ...rest)
          : write(bytes, rest[0], Math.min(WRITE_BYTES_MAX, rest[1] as number), rest[2]);
      return Object.assign(handle, { write: short });
    },
  };
});

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
});

afterEach(() => scratch.remove());

it("says of every store that it may have changed, also where the system takes the text piece by piece", async () => {
  // The end of a short write was left: those behind it were believed to be what they were at the last close.
  const path = scratch.file("disk.snapshots");
  const text = Array.from({ length: 50 }, (_, i) => `{ "é${i}": { "isFinal": true } }\n`).join("");
  writeFileSync(path, text);
  await unfinishRegisterFile(path);
  expect(readFileSync(path, "utf8")).toBe(text.replaceAll('"isFinal": true', '"isFinal":false'));
});
