/**
 * The limits on clients, on the built server and its real clock: handshakes that do not end, memory that nobody gives back, thousands of
 * connections. Beside each of them a well-behaved client is served, and afterwards nothing is left.
 *
 * The tests wait much and work little, so they run at the same time, each on a server of its own.
 */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterAll, describe, expect, test, vi } from "vitest";
import { HANDSHAKE_MS, MAX_CONNECTIONS_PER_WORKER, RARE_LINE_MS, TRANSFER_MS } from "../../src/base/constants.ts";
import { descriptorsOf } from "../fuzz/proof.ts";
import { ByteStream } from "../support/byte-stream.ts";
import { freePort } from "../support/free-socket.ts";
import { Cmd, encodeRequest, type NbdClient } from "../support/nbd-client.ts";
import { Negotiation, Opt } from "../support/nbd-negotiation.ts";
import { killServers } from "../support/server.ts";
import { MIB, Volume } from "../support/volume.ts";

const LARGEST = 32 * MIB;
const KEEP_ALIVE_TIMER = "02";

afterAll(killServers);

async function served(client: NbdClient, volume: Volume): Promise<void> {
  expect((await client.read(4096, 512)).equals(volume.before.subarray(4096, 4608))).toBe(true);
}

/** Waits until the server's figures are so. */
async function until(
  volume: Volume,
  right: (clients: Record<string, number>) => boolean,
): Promise<Record<string, number>> {
  for (;;) {
    const clients = (await volume.server.stats()).clients as unknown as Record<string, number>;
    if (right(clients)) return clients;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until the server's threads have had nothing to do for a while. */
async function atRest(volume: Volume): Promise<void> {
  let before = "";
  for (let same = 0; same < 3; ) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const now = JSON.stringify((await volume.server.stats()).workers);
    same = now === before ? same + 1 : 0;
    before = now;
  }
}

/** A connection that is kept open, and knows when the server has ended it. */
function open(path: string): Promise<{ readonly socket: Socket; readonly ended: Promise<void> }> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("error", () => {});
    socket.resume();
    const ended = new Promise<void>((end) => socket.once("close", () => end()));
    socket.once("connect", () => resolve({ socket, ended }));
    socket.once("close", () => resolve({ socket, ended }));
  });
}

describe.concurrent("limits on clients", () => {
  test("a handshake that is not over after HANDSHAKE_MS costs the connection, however it is drawn out; who is inside may be idle", async () => {
    const volume = await Volume.create({ snapshots: [] });
    const idle = await volume.open();
    const { address } = volume.server;
    const began = performance.now();
    const silent = await ByteStream.connect(address);
    const loris = await Negotiation.open(address);
    const drip = setInterval(() => loris.stream.send(Buffer.of(0)), 600);
    const asking = await Negotiation.open(address);
    asking.sendFlags();
    const asks = setInterval(() => asking.sendOption(Opt.List), 500);
    const deaf = await Negotiation.open(address);
    deaf.sendFlags();
    deaf.stream.pause();
    for (let i = 0; i < 1000; i++) deaf.sendOption(Opt.List);
    await Promise.all([silent.ended(), loris.stream.ended(), asking.stream.ended()]);
    clearInterval(drip);
    clearInterval(asks);
    expect(performance.now() - began).toBeGreaterThan(HANDSHAKE_MS - 100);
    const clients = await until(volume, ({ connections }) => connections === 1);
    expect(clients).toMatchObject({
      handshakes: 0,
      accepted: 5,
      refused: 0,
      handshakeTimeouts: 4,
      transferTimeouts: 0,
    });
    expect(volume.server.stderr).toMatch(
      /^snapring serve: \d connections? closed: no end of the handshake in 10 seconds$/m,
    );
    expect(volume.server.stderr.match(/^.* closed: /gm)?.length).toBeLessThanOrEqual(3);
    deaf.stream.destroy();
    await served(idle, volume);
    await volume.remove();
  });

  test("clients that do not read, or do not send what they announced, give their memory to one that waits", async () => {
    const volume = await Volume.create({
      sizeBytes: LARGEST,
      filledBytes: MIB,
      snapshots: [],
      args: ["--workers", "1"],
    });
    const deaf = await volume.open();
    deaf.stream.pause();
    const unread = deaf.request({ type: Cmd.Read, length: LARGEST }).catch(String);
    const slow = await volume.open();
    slow.stream.send(encodeRequest({ type: Cmd.Write, length: LARGEST }, 5n), Buffer.alloc(1000, 1));
    const small = await volume.open();
    const waits = await volume.open();
    // Whoever still moves data when the other begins to wait has its time later, and nobody would wait for it then.
    await atRest(volume);
    const began = performance.now();
    const read = waits.read(0, LARGEST);
    // Requests of another size do not wait.
    await served(small, volume);
    await read;
    expect(performance.now() - began).toBeGreaterThan(TRANSFER_MS - 1000);
    expect((await read).equals(volume.before)).toBe(true);
    const clients = await until(volume, ({ connections }) => connections === 2);
    expect(clients).toMatchObject({ handshakeTimeouts: 0, transferTimeouts: 2 });
    expect(volume.server.stderr).toMatch(
      /^snapring serve: \d connections? closed: data not sent or read in 10 seconds/m,
    );
    deaf.destroy();
    expect(await unread).toContain("StreamEnded");
    await served(small, volume);
    await volume.remove();
  });

  test("thousands of connections: those beyond the limit are refused, the others served, and nothing is left of them", async () => {
    const volume = await Volume.create({ snapshots: [], args: ["--workers", "1"] });
    const path = volume.scratch.file("socket");
    const began = performance.now();
    const good = await volume.open();
    await served(good, volume);
    const descriptors = descriptorsOf(volume.server.pid);
    // At the same time: the limit, and 500 more.
    const many = await Promise.all(Array.from({ length: MAX_CONNECTIONS_PER_WORKER - 1 + 500 }, () => open(path)));
    await until(volume, ({ accepted, refused }) => accepted === MAX_CONNECTIONS_PER_WORKER && refused === 500);
    await served(good, volume);
    // One of node, one of the ring.
    expect(descriptorsOf(volume.server.pid) - descriptors).toBeLessThanOrEqual(2 * (MAX_CONNECTIONS_PER_WORKER - 1));
    for (const { socket } of many) socket.destroy();
    await Promise.all(many.map(({ ended }) => ended));
    await until(volume, ({ connections }) => connections === 1);
    // One after the other, in heaps.
    for (let i = 0; i < 3000; i += 50) {
      const heap = await Promise.all(Array.from({ length: 50 }, () => open(path)));
      for (const { socket } of heap) socket.destroy();
    }
    await until(
      volume,
      ({ connections, accepted, refused }) => connections === 1 && accepted + refused === 1 + 255 + 500 + 3000,
    );
    await served(good, volume);
    expect(descriptorsOf(volume.server.pid)).toBe(descriptors);
    await served(await volume.open(), volume);
    const linesMax = 2 + (performance.now() - began) / RARE_LINE_MS;
    expect(volume.server.stderr.match(/^.* refused: /gm)?.length).toBeLessThanOrEqual(linesMax);
    await volume.remove();
  });

  test("TCP clients are asked whether they live", async () => {
    const port = await freePort();
    const volume = await Volume.create({ snapshots: [], listen: port });
    const client = await volume.open();
    await served(client, volume);
    const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
    // What was sent last may still wait to be confirmed: then the timer is another one for a moment.
    await vi.waitFor(() => expect(timersOf(local)).toEqual([KEEP_ALIVE_TIMER]), { timeout: 30_000, interval: 100 });
    await volume.remove();
  });
});

/** What each established connection to this port waits for. */
function timersOf(local: string): (string | undefined)[] {
  const lines = readFileSync("/proc/net/tcp", "latin1").split("\n");
  // sl, local, remote, state (01: established), queues, timer
  const own = lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, at, , state]) => at?.endsWith(local) && state === "01");
  return own.map((columns) => columns[5]?.split(":")[0]);
}
