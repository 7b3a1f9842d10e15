/**
 * One SIGTERM ends the server, whatever clients have asked for: those who have gone get nothing more done, those who are there have a
 * few seconds to get through, and the log says what was given up.
 */
import { truncate, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { Cmd, NbdClient } from "../support/nbd-client.ts";
import { killServers, Server } from "../support/server.ts";
import { StreamEnded } from "../support/byte-stream.ts";

const FOUR_GIB = 2 ** 32 - 4096;
const REQUESTS = 200;

let scratch: Scratch;

beforeEach(async () => {
  scratch = await makeScratch();
});

afterEach(async () => {
  await killServers();
  await scratch.remove();
});

/** A sparse volume of 5 GiB with a snapshot, and a client that asks for 800 GiB of zeroes. */
async function flooded(args: readonly string[] = []): Promise<{ server: Server; client: NbdClient }> {
  const origin = scratch.file("origin");
  await writeFile(origin, "");
  await truncate(origin, 5 * 2 ** 30);
  const snapshots = [{ name: "monday", cow: scratch.file("monday.cow"), size: "6G,sparse", chunk: "16K" }];
  const server = await Server.start({ origin, snapshots, listen: scratch.file("socket"), args });
  const client = await NbdClient.open(server.address, "monday");
  for (let i = 0; i < REQUESTS; i++) {
    void client.request({ type: Cmd.WriteZeroes, offset: 0, length: FOUR_GIB }).catch(() => {});
  }
  const other = await NbdClient.open(server.address);
  await other.read(0, 512);
  return { server, client };
}

async function connections(server: Server): Promise<number> {
  return (await server.stats()).clients.connections;
}

test("zeroes of a client that has gone are given up at once, and one SIGTERM ends the server", async () => {
  const { server, client } = await flooded();
  expect(await connections(server)).toBe(2);
  client.stream.destroy();
  while ((await connections(server)) > 1) await new Promise((next) => setTimeout(next, 10));
  await server.stop();
  expect(server.stderr).toBe("");
});

test("a client that waits on keeps nobody from stopping: what is not through in time is given up, and the log says so", async () => {
  const { server, client } = await flooded(["--workers", "1"]);
  const last = client.request({ type: Cmd.WriteZeroes, offset: 0, length: FOUR_GIB });
  const end = last.catch((error: unknown) => error);
  await server.stop();
  expect(await end).toBeInstanceOf(StreamEnded);
  expect(server.stderr).toMatch(/^snapring serve: closing: gave up \d+ requests of 1 client after 5 s$/m);
});
