/**
 * Life without the addon or without io_uring: said in one line, and the facts about a device are the same.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";

type Modules = {
  readonly native: typeof import("../../../src/device/native.ts");
  readonly ring: typeof import("../../../src/device/native-ring.ts");
  readonly facts: typeof import("../../../src/device/device-facts.ts");
};

/** The modules, loaded anew, as a process with these variables would. */
async function withEnvironment(variables: Record<string, string>): Promise<Modules> {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  vi.resetModules();
  return {
    native: await import("../../../src/device/native.ts"),
    ring: await import("../../../src/device/native-ring.ts"),
    facts: await import("../../../src/device/device-facts.ts"),
  };
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("without the addon", () => {
  it("loading tells why, in one line", async () => {
    const { native } = await withEnvironment({ SNAPRING_NO_NATIVE: "1" });
    expect(native.loadNative()).toEqual({
      native: undefined,
      reason: expect.stringMatching(/^native addon .*SNAPRING_NO_NATIVE$/),
    });
    expect(native.probeUring()).toEqual({ works: false, reason: expect.stringContaining("SNAPRING_NO_NATIVE") });
  });

  it("a native ring cannot be made, and the error is ours", async () => {
    const { ring } = await withEnvironment({ SNAPRING_NO_NATIVE: "1" });
    const make = (): unknown => ring.createNativeRing({ arena: new SharedArrayBuffer(4096), capacity: 1, files: 1 });
    expect(make).toThrow(expect.objectContaining({ name: "SnapringError", code: "ENOSYS" }));
  });

  it("device facts are those that the addon gives, but for direct I/O", async () => {
    const folder = mkdtempSync(join(tmpdir(), "snapring-facts-"));
    const path = join(folder, "file");
    writeFileSync(path, "x".repeat(1000));
    const fd = openSync(path, "r");
    const withAddon = (await withEnvironment({ SNAPRING_NO_NATIVE: "" })).facts.deviceFacts(fd);
    const without = (await withEnvironment({ SNAPRING_NO_NATIVE: "1" })).facts.deviceFacts(fd);
    expect(without).toEqual({ ...withAddon, directAlignBytes: 512, hasDirect: true });
    expect(without).toMatchObject({ kind: "file", sizeBytes: 1000 });
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  it("a bad descriptor has no facts", async () => {
    const { facts } = await withEnvironment({ SNAPRING_NO_NATIVE: "1" });
    expect(() => facts.deviceFacts(1_000_000)).toThrow(expect.objectContaining({ code: "EBADF" }));
  });
});

describe("without io_uring", () => {
  it("the probe says that it was switched off", async () => {
    const { native } = await withEnvironment({ SNAPRING_NO_URING: "1" });
    const { works, reason } = native.probeUring();
    expect(works).toBe(false);
    expect(reason).toMatch(/SNAPRING_NO_/);
  });

  it.each([
    [-38, /no io_uring/],
    [-1, /not permitted/],
    [-12, /ulimit -l/],
    [-22, /EINVAL/],
  ])("a refusal with %d is put into words", async (status, words) => {
    const { native } = await withEnvironment({ SNAPRING_NO_URING: "" });
    expect(native.uringRefusal(status)).toMatch(words);
  });
});
