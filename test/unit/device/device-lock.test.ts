/** Locks with and without the addon: the same locks, and who holds one is found although the process that took it is gone (E-42). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, openSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { loadNative } from "../../../src/device/native.ts";
import { makeScratch, type Scratch } from "../../support/free-socket.ts";

let scratch: Scratch;
let path: string;
const open: number[] = [];

beforeEach(async () => {
  scratch = await makeScratch();
  path = scratch.file("disk.img");
  writeFileSync(path, Buffer.alloc(4096));
});

afterEach(async () => {
  for (const fd of open.splice(0)) closeSync(fd);
  vi.unstubAllEnvs();
  await scratch.remove();
});

function descriptor(): number {
  const fd = openSync(path, "r+");
  open.push(fd);
  return fd;
}

interface Modules {
  readonly lockDevice: typeof import("../../../src/device/device-lock.ts").lockDevice;
  readonly lockMeanwhile: typeof import("../../../src/device/device-lock.ts").lockMeanwhile;
  readonly DeviceFile: typeof import("../../../src/device/device-file.ts").DeviceFile;
}

/** The modules of another process, that has the addon or not. */
async function modules(addon: "addon" | "program"): Promise<Modules> {
  vi.stubEnv("SNAPRING_NO_NATIVE", addon === "program" ? "1" : "");
  vi.resetModules();
  const { lockDevice, lockMeanwhile } = await import("../../../src/device/device-lock.ts");
  const { DeviceFile } = await import("../../../src/device/device-file.ts");
  return { lockDevice, lockMeanwhile, DeviceFile };
}

/** A program on PATH, the only one there. */
function onlyProgram(name: string, script: string): void {
  writeFileSync(scratch.file(name), `#!/bin/sh\n${script}\n`);
  chmodSync(scratch.file(name), 0o755);
  vi.stubEnv("PATH", scratch.path);
}

const BUSY = expect.objectContaining({ code: "EBUSY" });

describe.each([
  ["program", "program"],
  ["program", "addon"],
  ["addon", "program"],
] as const)("a lock taken by the %s, wanted by the %s", (first, second) => {
  it("is refused, and the process that has it is told to close it", async () => {
    // It was told to end itself.
    const held = descriptor();
    expect((await modules(first)).lockDevice(held, path, "exclusive")).toBeUndefined();
    const { lockDevice } = await modules(second);
    const refusal = {
      code: "EBUSY",
      message: `${path} is in use by this process itself`,
      hint: expect.stringMatching(/^close\(\) the volume that has it open first/) as string,
    };
    for (const mode of ["exclusive", "shared"] as const)
      expect(() => lockDevice(descriptor(), path, mode)).toThrow(expect.objectContaining(refusal));
    // It is the descriptor's, not the child's that took it.
    closeSync(open.shift() as number);
    expect(lockDevice(descriptor(), path, "exclusive")).toBeUndefined();
  });

  it("lets readers share, and no writer join them", async () => {
    expect((await modules(first)).lockDevice(descriptor(), path, "shared")).toBeUndefined();
    const { lockDevice } = await modules(second);
    expect(lockDevice(descriptor(), path, "shared")).toBeUndefined();
    expect(() => lockDevice(descriptor(), path, "exclusive")).toThrow(BUSY);
  });
});

it.each(["addon", "program"] as const)(
  "a lock that nobody is seen to hold is in use all the same (%s)",
  async (way) => {
    // The locked descriptor is under way in a socket: the process that took the lock lives, and has it no more.
    const code = `
import fcntl, os, socket, sys
a, b = socket.socketpair()
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
socket.send_fds(a, [b"x"], [fd])
os.close(fd)
print("held", flush=True)
sys.stdin.read()`;
    const taker = spawn("python3", ["-c", code, path], { stdio: ["pipe", "pipe", "inherit"] });
    const exited = once(taker, "exit");
    await once(taker.stdout, "data");
    const { lockDevice, lockMeanwhile } = await modules(way);
    expect(() => lockDevice(descriptor(), path, "exclusive")).toThrow(
      expect.objectContaining({ code: "EBUSY", message: `${path} is in use` }),
    );
    // Who waits for it without blocking the thread can let it go.
    const locked = lockMeanwhile(descriptor(), path, "exclusive");
    taker.stdin.end();
    await exited;
    expect(await locked).toBeUndefined();
  },
);

describe("without the addon", () => {
  it("busybox locks where there is no flock", async () => {
    const busybox = `[ "$1" = flock ] && shift && exec /usr/bin/flock "$@"`;
    onlyProgram("busybox", busybox);
    const { lockDevice } = await modules("program");
    expect(lockDevice(descriptor(), path, "exclusive")).toBeUndefined();
    expect(() => lockDevice(descriptor(), path, "exclusive")).toThrow(BUSY);
  });

  it.each([
    ["no program locks", "other", "exit 0", "there is neither the native addon nor the program flock"],
    ["busybox has no flock", "busybox", "exit 127", "there is neither the native addon nor the program flock"],
    [
      "the file system has no locks",
      "flock",
      "echo 'flock: 3: no locks' >&2; exit 71",
      "flock has failed (flock: 3: no locks)",
    ],
    ["an error has the exit code of a lock that is held", "flock", "echo no >&2; exit 1", "flock has failed (no)"],
  ] as const)("where %s, nothing is opened for writing unless asked for by name", async (_, name, script, reason) => {
    onlyProgram(name, script);
    const { DeviceFile } = await modules("program");
    expect(() => DeviceFile.open(path, "write", "origin")).toThrow(expect.objectContaining({ code: "ENOLCK" }));
    expect(() => DeviceFile.open(path, "write", "origin")).toThrow(
      `origin ${path} cannot be locked, so it is not opened for writing: ${reason}`,
    );
    for (const mode of ["read", "write-unlocked"] as const) {
      using file = DeviceFile.open(path, mode, "origin");
      expect(file.lockWarning).toBe(`${path} is not locked (${reason}): make sure that nobody else uses it`);
    }
    using look = DeviceFile.open(path, "look", "origin");
    expect(look.lockWarning).toBeUndefined();
  });

  it("a device in use is refused also to who would do without a lock", async () => {
    const { DeviceFile } = await modules("program");
    using _writer = DeviceFile.open(path, "write", "origin");
    expect(() => DeviceFile.open(path, "write-unlocked", "origin")).toThrow(BUSY);
  });
});

it.skipIf(loadNative().native === undefined).each([
  ["EPERM", /flock is not permitted here, by a container's seccomp profile/],
  ["ENOSYS", /flock is not permitted here/],
  ["EOPNOTSUPP", /its file system has no locks/],
] as const)("%s: why nothing can be locked is said as what it is", async (name, why) => {
  // A seccomp profile was taken for a file system without locks.
  const { DeviceFile } = await modules("addon");
  const { native } = (await import("../../../src/device/native.ts")).loadNative();
  vi.spyOn(native!, "lockFile").mockReturnValue([-errno[name], 0]);
  expect(() => DeviceFile.open(path, "write", "origin")).toThrow(
    expect.objectContaining({
      code: "ENOLCK",
      message: expect.stringMatching(why),
      hint: expect.not.stringMatching(/install/),
    }),
  );
  vi.restoreAllMocks();
});
