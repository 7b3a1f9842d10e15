/**
 * A service that opens a volume, works and closes it, again and again, keeps neither memory nor address space: both are given back at the close,
 * not when a garbage collector gets to it.
 */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeScratch } from "../support/free-socket.ts";

const PROGRAM = join(import.meta.dirname, "../support/reopened-volume.mjs");
const MIB = 2 ** 20;
const OPENINGS = 5;

test("opening and closing keeps no memory and no address space", async () => {
  const scratch = await makeScratch();
  try {
    const origin = scratch.file("origin");
    await writeFile(origin, Buffer.alloc(MIB));
    const args = [PROGRAM, origin, scratch.file("cow"), String(OPENINGS)];
    const run = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect([run.status, run.stderr]).toEqual([0, ""]);
    const [before, after] = JSON.parse(run.stdout) as { resident: number; mapped: number }[];
    // Without giving back, an opening kept 35 MiB and more than 27 GiB of address space.
    expect(after.resident - before.resident).toBeLessThan(OPENINGS * 15 * MIB);
    expect(after.mapped - before.mapped).toBeLessThan(OPENINGS * 2 * 2 ** 30);
  } finally {
    await scratch.remove();
  }
});
