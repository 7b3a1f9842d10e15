/** Where a register is looked for, and what is said where nobody may look. */
import { chmodSync, chownSync, mkdirSync, openSync, writeFileSync, closeSync } from "node:fs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { registerPlace } from "../../../src/register/register-place.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

const NOBODY = 65534;

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
});

afterEach(() => scratch.remove());

it("registers of parts of the file are looked for beside it, and nothing else is taken for one", () => {
  const path = scratch.file("disk");
  for (const name of [
    "disk",
    "disk@512.snapshots",
    "disk@x.snapshots",
    "disk@512.snapshots.old",
    "other@512.snapshots",
  ])
    writeFileSync(scratch.file(name), "");
  const fd = openSync(path, "r");
  try {
    const place = registerPlace({ fd, path, sizeBytes: 0 });
    expect([place.path, place.overlapping]).toEqual([`${path}.snapshots`, [`${path}@512.snapshots`]]);
  } finally {
    closeSync(fd);
  }
});

it("a folder that may be entered and not listed is refused in words", (context) => {
  // It was node's own error, of a call that nobody had heard of (scandir).
  if (process.getuid?.() !== 0) return context.skip("it takes root to become somebody else");
  const folder = scratch.file("folder");
  mkdirSync(folder);
  writeFileSync(`${folder}/disk`, "");
  chownSync(`${folder}/disk`, NOBODY, NOBODY);
  for (const [path, mode] of [
    [scratch.path, 0o755],
    [folder, 0o711],
  ] as const)
    chmodSync(path, mode);
  const path = `${folder}/disk`;
  const fd = openSync(path, "r");
  process.seteuid?.(NOBODY);
  try {
    expect(() => registerPlace({ fd, path, sizeBytes: 0 })).toThrow(
      expect.objectContaining({
        name: "SnapringError",
        code: "EACCES",
        message: `cannot look for registers of parts of ${path} in ${folder}: permission denied`,
      }),
    );
  } finally {
    process.seteuid?.(0);
    closeSync(fd);
  }
});
