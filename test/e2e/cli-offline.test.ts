/**
 * The offline commands of the built program on stores at rest: create, status, dump, read, and a merge that is interrupted,
 * killed and run again. What only looks at what the program has done runs inside of this process: a start costs most of a second.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { cow, eachTestHasDevices, origin, scratch } from "../support/device-files.ts";
import { snapring as snapringInside } from "../support/fake-terminal.ts";
import { type Ended, runCommand, runOk } from "../support/run-command.ts";
import { MAIN } from "../support/server.ts";
import { type ExceptionPair, storeImage } from "../support/store-image.ts";

const CHUNK_SECTORS = 1;
const CHUNK_BYTES = 512;
const STRIDE = CHUNK_BYTES / 16 + 1;

eachTestHasDevices();

afterEach(() => void vi.unstubAllEnvs());

const snapring = (...argv: readonly string[]): Promise<string> => runOk(process.execPath, MAIN, ...argv);

/** The same command inside of this process. */
async function inside(...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await snapringInside(...argv);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^(.*: warning: .*\n)*$/) as string });
  return stdout;
}

/** An origin of `chunks`, and a store with `count` exceptions scattered over it; returns the snapshot's view. */
function writeDevices(chunks: number, count: number): Buffer {
  const live = dataPattern(chunks * CHUNK_BYTES, 1);
  const exceptions: ExceptionPair[] = [];
  let newChunk = 2;
  for (let i = 0; i < count; i++) {
    if (newChunk % STRIDE === 1) newChunk++;
    // 7919 is a prime: every old chunk comes once, neighbours far apart; every third pair makes a run.
    exceptions.push([(Math.floor(i / 3) * 7919 * 3 + (i % 3)) % chunks, newChunk++]);
  }
  const image = Buffer.from(storeImage((newChunk + 2 * STRIDE) * CHUNK_BYTES, CHUNK_SECTORS, exceptions));
  const kept = dataPattern(count * CHUNK_BYTES, 2);
  const view = Buffer.from(live);
  for (const [i, [oldChunk, fresh]] of exceptions.entries()) {
    const data = kept.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
    data.copy(image, fresh * CHUNK_BYTES);
    data.copy(view, oldChunk * CHUNK_BYTES);
  }
  writeFileSync(origin, live);
  writeFileSync(cow, image);
  return view;
}

const statusOf = async (): Promise<{ exceptions: number; status: string }> =>
  JSON.parse(await inside("status", cow, "--chunk-size", "1s", "--origin", origin, "--json"));

async function viewNow(): Promise<Buffer> {
  const output = scratch.file("view.img");
  await inside("read", origin, cow, "--chunk-size", "1s", "--output", output);
  return readFileSync(output);
}

/** How long the program takes to begin. */
async function startMilliseconds(): Promise<number> {
  const began = performance.now();
  await snapring("--version");
  return performance.now() - began;
}

describe("a store from its making to its end", () => {
  it("is made, shown, listed and read", async () => {
    writeFileSync(origin, dataPattern(65536, 1));
    expect(await snapring("create", cow, "--size", "1M", "--chunk-size", "4K", "--origin", origin)).toContain(
      "16/2048 16",
    );
    expect(JSON.parse(await snapring("status", cow, "--json"))).toMatchObject({ status: "16/2048 16", chunk_size: 8 });
    expect(await inside("status", cow)).toMatch(/^chunk size +4 KiB \(8 sectors\)$/m);
    expect(JSON.parse(await snapring("dump", cow, "--json"))).toEqual({
      state: "active",
      chunk_size: 8,
      exceptions: 0,
      runs: [],
    });
    const output = scratch.file("read.img");
    await snapring("read", origin, cow, "--output", output);
    expect(readFileSync(output).equals(dataPattern(65536, 1))).toBe(true);
  });

  it("is dumped run by run", async () => {
    writeDevices(9000, 9);
    const text = await inside("dump", cow);
    expect(text.split("\n")).toEqual([
      "# 9 exceptions, chunks of 1 sectors: old new count",
      "0 2 3",
      "5757 5 3",
      "2514 8 3",
      "",
    ]);
  });

  it("goes down a pipe whole, however slow the reader", async () => {
    const view = writeDevices(9000, 2000);
    const child = spawn(process.execPath, [MAIN, "read", "--unregistered", origin, cow], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const parts: Buffer[] = [];
    for await (const part of child.stdout) {
      parts.push(part as Buffer);
      if (parts.length % 8 === 0) await sleep(1);
    }
    expect(Buffer.concat(parts).equals(view)).toBe(true);
  });

  it("ends without a word when its reader has gone", () => {
    writeDevices(9000, 9000);
    const script = `"$0" "$1" read --unregistered "$2" "$3" | head -c 1000 >/dev/null; echo "\${PIPESTATUS[0]}"`;
    const ended = spawnSync("bash", ["-c", script, process.execPath, MAIN, origin, cow], { encoding: "utf8" });
    expect(ended.stdout).toBe("1\n");
    expect(ended.stderr).toBe("");
  });
});

describe("a merge", () => {
  it("makes the origin what the snapshot was, and empties the store (S-67)", async () => {
    const view = writeDevices(9000, 3000);
    const result = JSON.parse(await snapring("merge", "--unregistered", origin, cow, "--json"));
    expect(result).toEqual({ merged: 3000, status: expect.stringMatching(/^2\/\d+ 2$/) });
    expect(readFileSync(origin).equals(view)).toBe(true);
    expect(await statusOf()).toMatchObject({ exceptions: 0, status: result.status });
    expect((await viewNow()).equals(view)).toBe(true);
  });

  it("of an empty store changes nothing", async () => {
    const view = writeDevices(90, 0);
    expect(await inside("merge", "--unregistered", origin, cow)).toContain("0 chunks");
    expect(readFileSync(origin).equals(view)).toBe(true);
  });

  it("of an origin that ends inside a chunk writes up to its end (S-62)", async () => {
    const live = dataPattern(9 * 4096 + 512, 1);
    const image = Buffer.from(storeImage(2 ** 20, 8, [[9, 2]]));
    dataPattern(4096, 2).copy(image, 2 * 4096);
    writeFileSync(origin, live);
    writeFileSync(cow, image);
    await inside("merge", "--unregistered", origin, cow);
    expect(statSync(origin).size).toBe(live.length);
    expect(
      readFileSync(origin)
        .subarray(9 * 4096)
        .equals(dataPattern(4096, 2).subarray(0, 512)),
    ).toBe(true);
  });

  it("ends in good order on Ctrl-C, and goes on from there (S-65)", { timeout: 300_000 }, async () => {
    const view = writeDevices(60_000, 30_000);
    let interrupted = 0;
    for (let delay = await startMilliseconds(); ; delay *= 1.25) {
      const child = spawn(process.execPath, [MAIN, "merge", "--unregistered", origin, cow], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      const timer = setTimeout(() => child.kill("SIGINT"), delay);
      const [code, signal] = (await once(child, "close")) as [number | null, string | null];
      clearTimeout(timer);
      if (code === 0) break;
      // A signal before the program listens ends it as it ends any program.
      if (signal === "SIGINT") continue;
      expect(stderr).toMatch(/interrupted, \d+ of \d+ chunks are left \(run the same command again/);
      expect(code).toBe(1);
      interrupted++;
      expect((await viewNow()).equals(view)).toBe(true);
    }
    expect(interrupted).toBeGreaterThan(0);
    expect(readFileSync(origin).equals(view)).toBe(true);
  });

  it("survives SIGKILL at any time: the snapshot reads the same, the next run goes on (S-65, S-83)", {
    timeout: 300_000,
  }, async () => {
    const view = writeDevices(60_000, 30_000);
    let left = 30_000;
    // The first dies before it has begun. Longer by a part each time: a slow machine comes to the end as well.
    for (let delay = 0.8 * (await startMilliseconds()); ; delay *= 1.25) {
      const child = spawn(process.execPath, [MAIN, "merge", "--unregistered", origin, cow], { stdio: "ignore" });
      const timer = setTimeout(() => child.kill("SIGKILL"), delay);
      const [code] = (await once(child, "close")) as [number | null];
      clearTimeout(timer);
      const { exceptions } = await statusOf();
      expect(exceptions).toBeLessThanOrEqual(left);
      left = exceptions;
      expect((await viewNow()).equals(view)).toBe(true);
      if (code === 0) break;
    }
    expect(left).toBe(0);
    expect(readFileSync(origin).equals(view)).toBe(true);
  });
});

describe("who may use the files at the same time (E-42)", () => {
  const lock = (
    mode: "-s" | "-x",
    path: string,
    ...argv: readonly string[]
  ): Promise<{ code: number | null; stderr: string }> =>
    runCommand("flock", mode, path, process.execPath, MAIN, ...argv);

  it("nobody writes while a merge runs, and a merge waits for nobody: it says who is there", async () => {
    writeDevices(90, 9);
    for (const path of [origin, cow]) {
      for (const without of ["0", "1"]) {
        vi.stubEnv("SNAPRING_NO_NATIVE", without);
        const { code, stderr } = await lock("-x", path, "merge", "--unregistered", origin, cow);
        expect(stderr).toMatch(/is in use by process \d+ \(flock\)/);
        expect(code).toBe(1);
      }
    }
  });

  it("status and dump look at a store that is in use", async () => {
    writeDevices(90, 9);
    expect((await lock("-x", cow, "status", cow)).code).toBe(0);
    expect((await lock("-x", cow, "dump", cow)).code).toBe(0);
  });

  it("where nothing can be locked, nothing is written unless asked for by name; who only looks need not know", async () => {
    // A package that had lost its addon merged and served without a lock, and without a word about it.
    vi.stubEnv("SNAPRING_NO_NATIVE", "1");
    vi.stubEnv("PATH", scratch.path);
    writeDevices(90, 9);
    const warning =
      /^snapring \w+: warning: .*origin.* is not locked \(there is neither the native addon nor the program flock\): /m;
    const run = async (...argv: readonly string[]): Promise<string> =>
      (await runCommand(process.execPath, MAIN, ...argv)).stderr;
    expect(await run("read", origin, cow, "--output", scratch.file("view"))).toMatch(warning);
    const before = [origin, cow].map((path) => readFileSync(path));
    expect(await run("merge", "--unregistered", origin, cow)).toMatch(
      /origin.* cannot be locked, so it is not opened for writing/,
    );
    expect(await run("create", cow, "--force")).toMatch(/COW file .* cannot be locked/);
    expect([origin, cow].map((path) => readFileSync(path))).toEqual(before);
    expect(await run("merge", "--unregistered", origin, cow, "--unlocked")).toMatch(warning);
    expect(await run("status", cow, "--origin", origin)).toBe("");
    expect(await run("dump", cow)).toBe("");
  });
});

describe("what a signal leaves of a file that is being made", () => {
  const GIB = 2 ** 30;
  const parts = (): string[] => readdirSync(scratch.path).filter((name) => name.endsWith(".part"));

  /** It ends amid its work. */
  async function interrupted(signal: NodeJS.Signals, ...argv: readonly string[]): Promise<Ended> {
    const child = spawn(process.execPath, [MAIN, ...argv], { stdio: ["ignore", "ignore", "pipe"] });
    const said = text(child.stderr);
    while (parts().length === 0) await sleep(2);
    child.kill(signal);
    const [code, by] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    return { code, signal: by, stdout: "", stderr: await said };
  }

  it("read, create: nothing, and it is said", async () => {
    writeDevices(8, 3);
    truncateSync(origin, 64 * GIB);
    const output = scratch.file("view.img");
    writeFileSync(output, "the old one");
    const read = await interrupted("SIGINT", "read", origin, cow, "--chunk-size", "1s", "--output", output);
    expect(read).toMatchObject({ code: 1, signal: null, stderr: expect.stringContaining("interrupted") as string });
    const fresh = scratch.file("fresh.cow");
    const create = await interrupted("SIGTERM", "create", fresh, "--size", "2G", "--written");
    expect(create).toMatchObject({ code: 1, signal: null, stderr: expect.stringContaining("interrupted") as string });
    expect(readdirSync(scratch.path).sort()).toEqual(["origin.img", "snap.cow", "view.img"]);
    expect(readFileSync(output, "utf8")).toBe("the old one");
  });

  it("a kill: a name that nobody takes for the file", async () => {
    const fresh = scratch.file("fresh.cow");
    expect(await interrupted("SIGKILL", "create", fresh, "--size", "2G", "--written")).toMatchObject({
      signal: "SIGKILL",
    });
    expect(readdirSync(scratch.path)).toEqual(parts());
    expect(parts()).toHaveLength(1);
  });
});
