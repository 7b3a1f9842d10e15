/**
 * Without io_uring, and without the addon: the same volume, served in two slower ways, each said in one line.
 *
 * The built server as a process of its own, because the addon is looked for once per process. The load is small and covers every
 * kind of request on both exports, from two connections, with an orderly end and a kill.
 */
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { CmdFlag } from "../support/nbd-client.ts";
import { killServers } from "../support/server.ts";
import { firstDifference, MIB, MONDAY, readAll, Volume } from "../support/volume.ts";

let volume: Volume | undefined;

afterEach(async () => {
  delete process.env["SNAPRING_NO_NATIVE"];
  delete process.env["SNAPRING_NO_URING"];
  await killServers();
  await volume?.scratch.remove();
  volume = undefined;
});

test.each([
  ["preadv2 on request (--io sync)", undefined, ["--io", "sync"], undefined],
  ["preadv2 because io_uring is refused", "SNAPRING_NO_URING", [], "using preadv2 and pwritev2"],
  ["node's own calls, without the addon", "SNAPRING_NO_NATIVE", [], "using node's own file system calls, slower"],
] as const)("E-1…E-16: %s", async (_, variable, args, line) => {
  if (variable !== undefined) process.env[variable] = "1";
  volume = await Volume.create({ snapshots: [MONDAY, { name: "old", size: "32M", chunk: "4K" }], args });
  if (line === undefined) expect(volume.server.stderr).toBe("");
  else
    expect(
      volume.server.stderr
        .trimEnd()
        .split("\n")
        .filter((l) => l.includes(line)),
    ).toHaveLength(1);
  const sides = ["", "monday"].map((name) => ({ name, model: Buffer.from(volume?.before ?? []) }));
  for (const round of [0, 1]) {
    for (const [s, { name, model }] of sides.entries()) {
      const clients = [await volume.open(name), await volume.open(name)];
      const writes = Array.from({ length: 60 }, (_, i) => {
        const at = (i * 131_101 + round * 5003) % (volume?.sizeBytes ?? 0);
        const data = dataPattern(
          Math.min(1 + ((i * 7717) % 40_000), model.length - at),
          1 + i + 100 * s + 1000 * round,
        );
        return { at, data };
      });
      // Overlapping writes have an order only if one is acknowledged before the other (E-22).
      for (let i = 0; i < writes.length; i++) {
        const { at, data } = writes[i];
        await clients[i % 2].write(at, data, i % 7 === 0 ? CmdFlag.Fua : 0);
        data.copy(model, at);
        expect(firstDifference(await clients[(i + 1) % 2].read(at, data.length), data)).toBe(-1);
      }
      await clients[0].zeroes(round * MIB + 77, 300_000);
      model.fill(0, round * MIB + 77, round * MIB + 77 + 300_000);
      const many = Array.from({ length: 64 }, (_, i) => {
        const data = dataPattern(8192, 500 + i);
        data.copy(model, 2 * MIB + i * 8192);
        return clients[i % 2].write(2 * MIB + i * 8192, data);
      });
      await Promise.all(many);
      await clients[1].flush();
      expect(firstDifference(await readAll(clients[0]), model)).toBe(-1);
    }
    if (round === 0) await volume.stop();
    else await volume.crash();
    await volume.serve();
    for (const { name, model } of sides)
      expect(firstDifference(await readAll(await volume.open(name)), model)).toBe(-1);
    expect(firstDifference(await readAll(await volume.open("old")), volume.before)).toBe(-1);
  }
});
