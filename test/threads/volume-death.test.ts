/**
 * Threads that do not come up, and threads that die: whatever was begun ends, and a close never waits for the dead.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { Threads } from "../../src/engine/threads.ts";
import type { Channel } from "../../src/engine/channel.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";

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
  channel.outbox.send(UNKNOWN_MESSAGE, 0);
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
    kill(threads.copies[0]);
    expect((await died).message).toContain("copy worker 0 has died");
    const write = (await volume.connect()).write(0, dataPattern(512, 3)).catch((error: unknown) => error);
    await volume.close();
    expect(await write).toBeInstanceOf(Error);
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
    return open({ ...options, exportData: { ...options.exportData, origin: undefined as never } });
  });
  await expect(volume.open()).rejects.toThrow("export worker");
  expect(ends).toEqual([4]);
  await volume.open();
  expect((await (await volume.connect()).read(0, 512)).equals(volume.before.subarray(0, 512))).toBe(true);
});
