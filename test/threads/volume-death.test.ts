/**
 * Threads that do not come up, and threads that die: whatever was begun ends, and a close never waits for the dead.
 */
import { existsSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Core } from "../../src/core/core.ts";
import { Threads } from "../../src/engine/threads.ts";
import { Message, StopHow } from "../../src/ring/messages.ts";
import type { Channel } from "../../src/engine/channel.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { sendWords } from "../support/raw-message.ts";

afterEach(async () => {
  vi.restoreAllMocks();
  await removeVolumes();
});

const MIB = 2 ** 20;
const UNKNOWN_MESSAGE = 999;
const MONDAY = { name: "monday", size: 16 * MIB } as const;

/** The threads of the volumes that are opened from here on. */
function capture(): Threads[] {
  const captured: Threads[] = [];
  const open = Threads.open.bind(Threads);
  vi.spyOn(Threads, "open").mockImplementation(async (options) => {
    const threads = await open(options);
    captured.push(threads);
    return threads;
  });
  return captured;
}

/** A message that no worker knows is a programmer's error: it dies. */
function kill(channel: Channel): void {
  channel.outbox.send(UNKNOWN_MESSAGE, 0, 0);
  channel.outbox.flush();
}

function death(volume: LibraryVolume): Promise<Error> {
  return new Promise((resolve) => volume.library.once("error", resolve));
}

describe("a worker that dies", () => {
  test("a copy worker: writes that waited for its copy fail, and the volume closes", async () => {
    // They waited at main for ever, kept their connections, and with these the export workers and the close.
    const captured = capture();
    const volume = await LibraryVolume.create({ snapshots: [MONDAY], fills: false });
    const [threads] = captured;
    const died = death(volume);
    const client = await volume.connect();
    kill(threads.copies[0]);
    const write = client.write(0, dataPattern(512, 3)).catch((error: unknown) => error);
    expect((await died).message).toContain("copy worker 0 has died");
    expect(await write).toBeInstanceOf(Error);
    await volume.close();
    await volume.open();
    expect(volume.library.status("monday").state).toBe("active");
  });

  test("the metadata worker, while the volume closes: the close ends", async () => {
    const captured = capture();
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    const [threads] = captured;
    await (await volume.connect()).write(0, dataPattern(512, 3));
    await (await volume.connect("monday")).write(MIB, dataPattern(512, 3));
    const died = death(volume);
    const closing = volume.close();
    kill(threads.metadata);
    await closing;
    await died;
    await volume.open();
    expect(volume.library.status("monday").state).toBe("active");
  });

  test("an export worker: orders are refused, and the volume closes", async () => {
    const captured = capture();
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    const [threads] = captured;
    const died = death(volume);
    kill(threads.exports[1]);
    await died;
    await expect(volume.library.dropSnapshot("monday")).rejects.toThrow("export worker 1 has died");
    await volume.close();
    await volume.open();
    expect(volume.library.status("monday").state).toBe("active");
  });
});

test.each(["exports", "copies", "metadata"] as const)(
  "when one dies (%s), every client is cut off at once, and nobody comes in any longer",
  async (role) => {
    // They waited until somebody closed the volume.
    const captured = capture();
    const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
    const [threads] = captured;
    const died = death(volume);
    const clients = [];
    for (const name of ["", "", "monday", "monday"]) clients.push(await volume.connect(name));
    await clients[0]!.write(0, dataPattern(512, 3));
    kill(role === "metadata" ? threads.metadata : threads[role][0]);
    for (const client of clients) await client.stream.ended();
    await died;
    await expect(volume.connect()).rejects.toThrow(/ENOENT|ECONNREFUSED/);
    expect(existsSync(volume.socketPath)).toBe(false);
    await volume.close();
  },
);

test("one who does not read, and work of hours, keep nobody's stream from ending when the core fails", async () => {
  // One such client held everybody's stream until it was cut; an abandoned worker went on with its zeroes meanwhile.
  const volume = await LibraryVolume.create({ snapshots: [MONDAY], sizeBytes: 64 * MIB });
  const died = death(volume);
  const [idle, greedy, zeroing] = [await volume.connect(), await volume.connect(), await volume.connect()];
  greedy.stream.pause();
  for (let i = 0; i < 64; i++) greedy.read(0, 16 * MIB).catch(() => {});
  for (let i = 0; i < 64; i++) zeroing.zeroes(0, 64 * MIB).catch(() => {});
  const order: string[] = [];
  for (const client of [idle, zeroing]) client.stream.ended().then(() => order.push("stream"));
  const stop = Threads.prototype.stop;
  vi.spyOn(Threads.prototype, "stop").mockImplementation(async function stopped(this: Threads) {
    await stop.call(this);
    order.push("threads");
  });
  vi.spyOn(Core.prototype, "turn").mockImplementation(() => {
    throw new Error("planted");
  });
  await expect(
    volume.library.createSnapshot({ ...MONDAY, name: "tuesday", cow: volume.cowPath("tuesday") }),
  ).rejects.toThrow();
  await died;
  await volume.close();
  // The one who does not read has a second; nobody waits for that.
  expect(order.slice(0, 3)).toEqual(["stream", "stream", "threads"]);
});

test("an order that is under way when a worker dies is rejected", async () => {
  // Its promise stayed pending for ever: who waited for the snapshot before doing anything else never went on.
  const captured = capture();
  const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
  const [threads] = captured;
  const died = death(volume);
  kill(threads.metadata);
  const tuesday = { ...MONDAY, name: "tuesday", cow: volume.cowPath("tuesday") };
  await expect(volume.library.createSnapshot(tuesday)).rejects.toThrow("metadata worker 0 has died");
  await died;
  await volume.close();
  await volume.open();
  expect(volume.library.status("monday").state).toBe("active");
});

test("a worker that dies while the volume opens ends the opening", async () => {
  // Main waited for the answer of the dead one: the server neither served nor ended.
  const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
  await volume.close();
  for (const role of ["metadata", "copies", "exports"] as const) {
    const open = Threads.open.bind(Threads);
    vi.spyOn(Threads, "open").mockImplementationOnce(async (options) => {
      const threads = await open(options);
      kill(role === "metadata" ? threads.metadata : threads[role][0]);
      return threads;
    });
    await expect(volume.open()).rejects.toThrow("has died");
  }
  await volume.open();
  expect(volume.library.status("monday").state).toBe("active");
});

test("a thread that ends without an error has died, too", async () => {
  // Only errors were looked at: its clients waited for ever.
  const captured = capture();
  const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
  const [threads] = captured;
  const client = await volume.connect();
  for (const channel of [threads.exports[0], threads.exports[1]]) {
    const died = death(volume);
    // It takes the order for main's own, and ends.
    sendWords(channel.outbox, Message.Stop, 0, StopHow.Cut);
    channel.outbox.flush();
    if (channel === threads.exports[0]) expect((await died).message).toContain("export worker 0 has died: its thread");
  }
  await volume.close();
  await expect(client.read(0, 512)).rejects.toThrow();
});

test("threads of which one does not come up are ended, all of them", async () => {
  // The others were left running: they kept the process alive, and the devices open.
  const volume = await LibraryVolume.create();
  await volume.close();
  const open = Threads.open.bind(Threads);
  const ends: number[] = [];
  const end = Threads.prototype.abandon;
  vi.spyOn(Threads.prototype, "abandon").mockImplementation(async function abandon(this: Threads) {
    await end.call(this);
    ends.push(this.all.filter((channel) => channel.isClosed).length);
  });
  vi.spyOn(Threads, "open").mockImplementationOnce((options) => {
    // Only export workers look at it.
    return open({ ...options, exportData: { busyPollUs: 1n as never } });
  });
  await expect(volume.open()).rejects.toThrow("export worker");
  expect(ends).toEqual([4]);
  await volume.open();
  expect((await (await volume.connect()).read(0, 512)).equals(volume.before.subarray(0, 512))).toBe(true);
});
