/** A file that is not there before it is whole: and what is there when one of its last steps fails. */
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type * as Promises from "node:fs/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { UnfinishedFile } from "../../../src/device/unfinished-file.ts";
import { writeAllTo } from "../../../src/device/write-all.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

/** Which call fails: the flush of the folder, the removal of the other name, a hard link that the file system does not have. */
const fault = vi.hoisted(() => ({ folder: false, removal: false, links: false }));

vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof Promises>();
  const coded = (code: string): Error => Object.assign(new Error(code), { code });
  return {
    ...real,
    open: async (...given: Parameters<typeof Promises.open>) => {
      const handle = await real.open(...given);
      if (!fault.folder || !(await handle.stat()).isDirectory()) return handle;
      return Object.assign(handle, { sync: () => Promise.reject(coded("EIO")) });
    },
    rm: (...given: Parameters<typeof Promises.rm>) =>
      fault.removal ? Promise.reject(coded("EIO")) : real.rm(...given),
    link: (...given: Parameters<typeof Promises.link>) =>
      fault.links ? Promise.reject(coded("EPERM")) : real.link(...given),
  };
});

let scratch: Scratch;
let path: string;

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("it");
});

afterEach(async () => {
  Object.assign(fault, { folder: false, removal: false, links: false });
  await scratch.remove();
});

async function made(): Promise<UnfinishedFile> {
  const unfinished = await UnfinishedFile.make(path);
  await writeAllTo(unfinished.file, 0, Buffer.from("the new one"));
  return unfinished;
}

/** Of a descriptor that nobody has closed the number is not given again. */
function nextDescriptor(): number {
  const fd = openSync("/dev/null", "r");
  closeSync(fd);
  return fd;
}

it.each([false, true])(
  "has its name, its mode and nothing beside it when it is finished (replacing: %s)",
  async (replace) => {
    if (replace) writeFileSync(path, "the old one");
    const before = nextDescriptor();
    await (await made()).finish({ replace, mode: 0o640 });
    expect([readFileSync(path, "utf8"), statSync(path).mode & 0o777]).toEqual(["the new one", 0o640]);
    expect([readdirSync(scratch.path), nextDescriptor()]).toEqual([["it"], before]);
  },
);

it.each([
  ["the folder's flush fails", { folder: true }],
  ["the folder's flush fails, and there are no hard links", { folder: true, links: true }],
])("is gone where nothing may be replaced and %s: it can be made again", async (_, faults) => {
  // It was said to be gone, and stood there: the next one was refused.
  Object.assign(fault, faults);
  const before = nextDescriptor();
  await expect((await made()).finish({ replace: false })).rejects.toMatchObject({ code: "EIO" });
  expect([readdirSync(scratch.path), nextDescriptor()]).toEqual([[], before]);
  fault.folder = false;
  await (await made()).finish({ replace: false });
  expect(readFileSync(path, "utf8")).toBe("the new one");
});

it("is not under its name where its other one does not go", async () => {
  const unfinished = await made();
  fault.removal = true;
  await expect(unfinished.finish({ replace: false })).rejects.toMatchObject({ code: "EIO" });
  expect(readdirSync(scratch.path)).toEqual([expect.stringMatching(/^\.snapring-[0-9a-f]+\.part$/)]);
});

it("needs a folder, which is said: 'no such file' is what it is about to be", async () => {
  const place = scratch.file("none/it");
  await expect(UnfinishedFile.make(place)).rejects.toMatchObject({
    code: "ENOENT",
    message: `cannot make ${place}: there is no folder ${scratch.file("none")}`,
    hint: "make the folder first, or check the path",
  });
});

it("stands where it has replaced another and only the folder's flush fails: what was there is gone by then", async () => {
  writeFileSync(path, "the old one");
  fault.folder = true;
  const before = nextDescriptor();
  await expect((await made()).finish({ replace: true })).rejects.toMatchObject({ code: "EIO" });
  expect([readFileSync(path, "utf8"), readdirSync(scratch.path), nextDescriptor()]).toEqual([
    "the new one",
    ["it"],
    before,
  ]);
});
