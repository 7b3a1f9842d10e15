/**
 * The built server with the clients that others wrote: nbdinfo, nbdcopy, qemu-io, each as the system has it and as a newer Debian has it; fio.
 */
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CLIENTS } from "../support/clients.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { runCommand, runOk } from "../support/run-command.ts";
import { killServers } from "../support/server.ts";
import { firstDifference, readAll, Volume } from "../support/volume.ts";

let volume: Volume;

async function end(): Promise<void> {
  await killServers();
  await volume.scratch.remove();
}

describe.each(CLIENTS)("who only looks, with the clients of $of", ({ program }) => {
  beforeAll(async () => {
    volume = await Volume.create();
  });

  afterAll(end);

  test("the URIs that the server prints are all it takes to connect", async () => {
    expect(volume.server.uris.length).toBe(2);
    for (const uri of volume.server.uris) {
      expect((await runOk(program("nbdinfo"), "--size", uri)).trim()).toBe(String(volume.sizeBytes));
    }
  });

  test("nbdinfo tells what an export can do", async () => {
    for (const name of ["", "origin", "monday"]) {
      const told = JSON.parse(await runOk(program("nbdinfo"), "--json", volume.server.uri(name)));
      expect(told.protocol).toBe("newstyle-fixed");
      expect(told.exports[0]).toMatchObject({
        "export-size": volume.sizeBytes,
        is_read_only: false,
        can_flush: true,
        can_fua: true,
        can_trim: true,
        can_zero: true,
        can_multi_conn: true,
        can_cache: true,
        can_df: true,
        block_size_minimum: 1,
        block_size_maximum: 67_108_864,
      });
    }
  });

  test("nbdinfo lists the origin and the snapshot", async () => {
    const told = JSON.parse(await runOk(program("nbdinfo"), "--list", "--json", volume.server.uri()));
    const names = told.exports.map((entry: Record<string, unknown>) => entry["export-name"]);
    expect(names.sort()).toEqual(["monday", "origin"]);
  });

  test("nbdinfo is told that an export is unknown, not just cut off", async () => {
    const ended = await runCommand(program("nbdinfo"), volume.server.uri("tuesday"));
    expect(ended.code).not.toBe(0);
    expect(ended.stderr).toContain("No such file or directory for export: tuesday");
  });

  test("nbdcopy takes out what the exports hold", async () => {
    for (const name of ["origin", "monday"]) {
      await runOk(program("nbdcopy"), "--connections=4", volume.server.uri(name), volume.scratch.file("out"));
      expect(firstDifference(await readFile(volume.scratch.file("out")), volume.before)).toBe(-1);
    }
  });
});

describe.each(CLIENTS)("who writes, with the clients of $of", ({ program }) => {
  beforeEach(async () => {
    volume = await Volume.create();
  });

  afterEach(end);

  test("nbdcopy puts a new content in on the origin, and the snapshot keeps the old", async () => {
    const content = dataPattern(volume.sizeBytes, 2);
    await writeFile(volume.scratch.file("in"), content);
    await runOk(program("nbdcopy"), "--flush", "--connections=4", volume.scratch.file("in"), volume.server.uri());
    expect(firstDifference(await readAll(await volume.open()), content)).toBe(-1);
    expect(firstDifference(await readAll(await volume.open("monday")), volume.before)).toBe(-1);
  });

  test("nbdcopy puts a sparse content in on the snapshot, and the origin keeps its own", async () => {
    const content = Buffer.concat([dataPattern(100_000, 2)], volume.sizeBytes);
    await writeFile(volume.scratch.file("in"), content);
    await runOk(program("nbdcopy"), "--flush", volume.scratch.file("in"), volume.server.uri("monday"));
    expect(firstDifference(await readAll(await volume.open("monday")), content)).toBe(-1);
    expect(firstDifference(await readAll(await volume.open()), volume.before)).toBe(-1);
  });

  async function qemuIo(name: string, ...commands: readonly string[]): Promise<string> {
    const told = await runOk(
      program("qemu-io"),
      "-f",
      "raw",
      ...commands.flatMap((command) => ["-c", command]),
      volume.server.uri(name),
    );
    expect(told).not.toMatch(/verification failed|failed:/);
    return told;
  }

  test("qemu-io reads the patterns that it wrote, on snapshot and origin, each its own", async () => {
    await qemuIo("monday", "write -P 0xa5 0 64k", "write -f -P 0x5a 100k 3k", "write -z 200k 50k", "flush");
    await qemuIo("", "write -P 0x11 0 256k", "read -P 0x11 0 256k", "discard 512k 64k", "flush");
    await qemuIo("monday", "read -P 0xa5 0 64k", "read -P 0x5a 100k 3k", "read -P 0 200k 50k");
    const monday = await readAll(await volume.open("monday"));
    expect(firstDifference(monday.subarray(262_144), volume.before.subarray(262_144))).toBe(-1);
  });

  test("qemu-io writes and reads single bytes", async () => {
    await qemuIo("monday", "write -P 0x77 12345 1", "read -P 0x77 12345 1");
    await qemuIo("", "write -P 0x78 12345 1", "read -P 0x78 12345 1");
    await qemuIo("monday", "read -P 0x77 12345 1");
  });
});

describe("fio", () => {
  beforeEach(async () => {
    volume = await Volume.create();
  });

  afterEach(end);

  test("verifies what it writes on origin and snapshot at once", async () => {
    const common = [
      "--ioengine=nbd",
      "--rw=randwrite",
      "--size=8m",
      "--verify=crc32c",
      "--do_verify=1",
      "--verify_fatal=1",
    ];
    const job = (label: string, name: string, blocks: string, depth: number): string[] => [
      `--name=${label}`,
      `--uri=${volume.server.uri(name)}`,
      `--bsrange=${blocks}`,
      `--iodepth=${depth}`,
    ];
    await runOk(
      "fio",
      ...common,
      `--aux-path=${volume.scratch.path}`,
      ...job("origin", "", "4k-4k", 32),
      ...job("snapshot", "monday", "1k-32k", 8),
    );
  });

  test("rewrites the whole origin, and the snapshot keeps the old content", async () => {
    await runOk(
      "fio",
      "--name=rewrite",
      "--ioengine=nbd",
      `--uri=${volume.server.uri()}`,
      `--aux-path=${volume.scratch.path}`,
      "--rw=randwrite",
      "--bs=4k",
      "--iodepth=32",
      "--size=8m",
      "--verify=crc32c",
    );
    expect(firstDifference(await readAll(await volume.open("monday")), volume.before)).toBe(-1);
  });
});
