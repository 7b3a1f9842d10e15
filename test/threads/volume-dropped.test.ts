/**
 * A volume that the program drops without closing it: it is warned when the garbage is collected, and the volume goes on.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";

const MIB = 2 ** 20;
const PROGRAM = fileURLToPath(new URL("../support/dropped-volume.mjs", import.meta.url));

let child: ChildProcess | undefined;
let scratch: Scratch | undefined;

afterEach(async () => {
  child?.kill("SIGKILL");
  await scratch?.remove();
});

/** Runs it until it has collected the garbage; what it tells is in the list, then and later. */
async function run(way: "drop" | "order" | "close" | "closing"): Promise<unknown[]> {
  scratch = await makeScratch();
  await writeFile(scratch.file("origin"), dataPattern(4 * MIB, 1));
  child = spawn(process.execPath, ["--expose-gc", PROGRAM, way, scratch.file(".")], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const told: unknown[] = [];
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.on("message", (message) => told.push(message));
  const ended = once(child, "close").then(() => {
    throw new Error(`the program has ended: ${stderr}`);
  });
  ended.catch(() => {});
  const collected = expect.poll(() => told.includes("collected"), { timeout: 60_000 }).toBe(true);
  await Promise.race([collected, ended]);
  return told;
}

it("a dropped volume gives a warning with a code, is served, and its listeners are called", async () => {
  const told = await run("drop");
  const path = (scratch as Scratch).file("origin");
  const message = `the volume of ${path} was dropped without close()`;
  expect(told).toEqual([{ warning: { name: "SnapringWarning", code: "SNAPRING_DROPPED", message } }, "collected"]);

  const client = await NbdClient.open({ path: (scratch as Scratch).file("socket") }, "");
  expect((await client.read(MIB, MIB)).equals(dataPattern(4 * MIB, 1).subarray(MIB, 2 * MIB))).toBe(true);
  // More than its store can hold.
  await client.write(0, dataPattern(MIB, 2));
  await expect.poll(() => told.length, { timeout: 60_000 }).toBe(3);
  // It hears one event: that the store is nearly full comes before that it is.
  expect(told[2]).toEqual({ heard: ["listener", "small", "level"] });
  client.destroy();
});

it.each(["close", "closing"] as const)("a volume that is closed gives no warning (%s)", async (way) => {
  expect(await run(way)).toEqual(["collected"]);
});

it("who waits for an order has not dropped the volume", async () => {
  const told = await run("order");
  expect(told).toEqual([
    { heard: "created" },
    { warning: expect.objectContaining({ code: "SNAPRING_DROPPED" }) as unknown },
    "collected",
  ]);
});
