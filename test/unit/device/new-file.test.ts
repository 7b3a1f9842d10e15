import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { loadNative, type Native } from "../../../src/device/native.ts";
import { makeFile } from "../../../src/device/new-file.ts";

const MIB = 1024 * 1024;
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "snapring-new-file-"));
  path = join(folder, "cow");
});

afterEach(() => rmSync(folder, { recursive: true }));

const allocated = (): number => statSync(path).blocks * 512;

/** An addon on a file system of which it says so. */
function nativeThat(answers: Partial<Native>): Native {
  const answering = { reserveFile: () => 0, forbidCopyOnWrite: () => -errno.EOPNOTSUPP, ...answers };
  return answering as unknown as Native;
}

it.each([0o000, 0o022, 0o777])(
  "has its size, reads as zeroes, and is its owner's alone, whatever the umask (%i)",
  async (umask) => {
    const before = process.umask(umask);
    try {
      await makeFile(path, MIB, "reserved");
    } finally {
      process.umask(before);
    }
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path).equals(Buffer.alloc(MIB))).toBe(true);
  },
);

it.skipIf(loadNative().native === undefined)("reserves its space (native)", async () => {
  await makeFile(path, MIB, "reserved", { progress: () => expect.unreachable("nothing is written") });
  expect(allocated()).toBeGreaterThanOrEqual(MIB);
});

it("reserves its space by a program where there is no addon", async () => {
  await makeFile(path, MIB, "reserved", { native: undefined });
  expect(allocated()).toBeGreaterThanOrEqual(MIB);
  expect(readFileSync(path).equals(Buffer.alloc(MIB))).toBe(true);
});

it("takes no space where it is to be sparse", async () => {
  await makeFile(path, MIB, "sparse");
  expect(allocated()).toBe(0);
});

it("is written through where it is to be, and says how far it is", async () => {
  const seen: number[] = [];
  await makeFile(path, 5 * MIB + 512, "written", { progress: (bytes) => seen.push(bytes) });
  expect(seen).toEqual([4 * MIB, 5 * MIB + 512]);
  expect(readFileSync(path).equals(Buffer.alloc(5 * MIB + 512))).toBe(true);
  expect(allocated()).toBeGreaterThanOrEqual(5 * MIB);
});

it.each([errno.EOPNOTSUPP, errno.EPERM])(
  "is written through, once, where space cannot be reserved (fallocate: errno %i)",
  async (refusal) => {
    const seen: number[] = [];
    const options = {
      native: nativeThat({ reserveFile: () => -refusal }),
      progress: (bytes: number) => seen.push(bytes),
    };
    await makeFile(path, 5 * MIB, "reserved", options);
    expect(seen).toEqual([4 * MIB, 5 * MIB]);
    expect(allocated()).toBeGreaterThanOrEqual(5 * MIB);
    rmSync(path);
    await makeFile(path, 5 * MIB, "written", options);
    expect(seen).toHaveLength(4);
  },
);

describe("is refused, with a way out, and leaves nothing", () => {
  const refused = async (bytes: number, options: Parameters<typeof makeFile>[3], code: string): Promise<void> => {
    const making = makeFile(path, bytes, "reserved", options);
    await expect(making).rejects.toMatchObject({ code, hint: expect.stringContaining("sparse") as string });
    expect(readdirSync(folder)).toEqual([]);
  };

  it.each(["ENOSPC", "EDQUOT", "ENOMEM"] as const)("where fallocate says %s", async (code) => {
    await refused(MIB, { native: nativeThat({ reserveFile: () => -errno[code] }) }, code);
  });

  it("where it would have to be written and is larger than the disk, before anything is", async () => {
    const native = nativeThat({ reserveFile: () => -errno.EOPNOTSUPP });
    const progress = (): void => expect.unreachable("nothing is written");
    await refused(2 ** 52, { native, progress }, "ENOSPC");
  });

  it.each([
    ["btrfs refuses the attribute", 0x9123683e, nativeThat({ forbidCopyOnWrite: () => -errno.EPERM })],
    ["ZFS copies on write", 0x2fc12fc1, nativeThat({})],
    ["bcachefs copies on write", 0xca451a4e, nativeThat({})],
    ["NILFS copies on write", 0x3434, nativeThat({})],
  ])("where %s", async (_what, fileSystem, native) => {
    await refused(MIB, { native, fileSystem }, "EOPNOTSUPP");
  });
});

it("is told that its file system must not copy, before it gets any space", async () => {
  const calls: string[] = [];
  const native = nativeThat({
    forbidCopyOnWrite: () => 0 * calls.push("attribute"),
    reserveFile: () => 0 * calls.push("reserve"),
  });
  await makeFile(path, MIB, "reserved", { native, fileSystem: 0x9123683e });
  expect(calls).toEqual(["attribute", "reserve"]);
});

it("does not touch a file that is there, nor follow a link", async () => {
  await makeFile(path, 4096, "sparse");
  await expect(makeFile(path, MIB, "reserved")).rejects.toThrow(path);
  expect(statSync(path).size).toBe(4096);
  symlinkSync("nowhere", join(folder, "link"));
  await expect(makeFile(join(folder, "link"), MIB, "sparse")).rejects.toMatchObject({ code: "EEXIST" });
  expect(readdirSync(folder).sort()).toEqual(["cow", "link"]);
});

it("does not replace what came while it was made", async () => {
  const options = { begun: () => writeFileSync(path, "another's") };
  await expect(makeFile(path, MIB, "sparse", options)).rejects.toMatchObject({ code: "EEXIST" });
  expect(readFileSync(path, "utf8")).toBe("another's");
  expect(readdirSync(folder)).toEqual(["cow"]);
});

it("has another name until it is whole, and leaves nothing when it is stopped", async () => {
  const stop = new AbortController();
  const seen: string[][] = [];
  const progress = (): void => {
    seen.push(readdirSync(folder));
    stop.abort();
  };
  const making = makeFile(path, 12 * MIB, "written", { progress, stop: stop.signal });
  await expect(making).rejects.toMatchObject({ code: "EINTR" });
  expect(seen).toEqual([[expect.stringMatching(/^\.snapring-[0-9a-f]+\.part$/)]]);
  expect(readdirSync(folder)).toEqual([]);
});

it("leaves nothing behind where there is no room", async () => {
  await expect(makeFile(path, 2 ** 52, "reserved")).rejects.toThrow(path);
  expect(readdirSync(folder)).toEqual([]);
});

it.skipIf(loadNative().native === undefined).each([
  ["ENOSPC", "no space left on the file system", /smaller, or sparse/],
  ["EDQUOT", "the disk quota is used up", /smaller, or sparse/],
  ["EFBIG", "files may not be of this size here", /ulimit -f/],
] as const)("%s while its space is reserved: said as what it is, and there is no file", async (code, why, hint) => {
  // All but two were EIO, and all of them "no room".
  const native = nativeThat({ reserveFile: () => -errno[code] });
  const message = `space for a COW file ${path} of 1 MiB cannot be reserved: ${why}`;
  await expect(makeFile(path, MIB, "reserved", { native })).rejects.toThrow(
    expect.objectContaining({ code, message, hint: expect.stringMatching(hint) }),
  );
  expect(readdirSync(folder)).toEqual([]);
});
