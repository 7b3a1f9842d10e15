/**
 * Clients of a volume, as the program hears of them: who is connected, where from, and when one goes.
 */
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { type ClientDetails, openVolume, type VolumeEvents } from "../../src/index.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";
import { Cmd, NbdClient } from "../support/nbd-client.ts";
import { firstDifference, readAll } from "../support/volume.ts";

afterEach(removeVolumes);

const MIB = 2 ** 20;
const NBD_EPERM = 1;
const MONDAY = { name: "monday", size: 16 * MIB, chunkSize: 4096 } as const;

/** The next so many events, from the call on. */
async function heard(volume: LibraryVolume, count: number): Promise<VolumeEvents["client"][]> {
  const events: VolumeEvents["client"][] = [];
  while (events.length < count)
    events.push((await once(volume.library, "client")) as unknown as VolumeEvents["client"]);
  return events;
}

test("each client is told when it has entered an export, and when it is gone, under the name that the export had", async () => {
  const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
  const came = heard(volume, 1);
  const origin = await volume.connect();
  const [[event, client, reason]] = await came;
  expect([event, client.export, client.address, reason]).toEqual(["connected", "origin", "unix", ""]);
  const second = heard(volume, 1);
  const monday = await volume.connect("monday");
  const [[, onMonday]] = await second;
  expect(onMonday.export).toBe("monday");
  expect(volume.library.clients).toEqual([client, onMonday]);
  await volume.library.dropSnapshot("monday");
  const gone = heard(volume, 1);
  await monday.disconnect();
  expect(await gone).toEqual([["disconnected", onMonday, ""]]);
  expect(volume.library.clients).toEqual([client]);
  const last = heard(volume, 1);
  origin.destroy();
  expect(await last).toEqual([["disconnected", client, ""]]);
  expect(volume.library.clients).toEqual([]);
});

test("who comes over TCP has an address and a port; who leaves in the handshake was nobody's client", async () => {
  const volume = await LibraryVolume.create();
  const { origin } = volume.options();
  await volume.close();
  await using library = await openVolume({ origin, listen: ["tcp:127.0.0.1:0"] });
  const events: VolumeEvents["client"][] = [];
  library.on("client", (...news) => events.push(news));
  const port = Number(new URL(library.exports[0].uris[0] ?? "").port);
  await expect(NbdClient.open({ host: "127.0.0.1", port }, "no such export")).rejects.toThrow();
  const client = await NbdClient.open({ host: "127.0.0.1", port });
  await client.read(0, 512);
  const [connected] = library.clients as [ClientDetails];
  expect(connected.address).toMatch(/^127\.0\.0\.1:\d+$/);
  await client.disconnect();
  await expect.poll(() => events.map(([event]) => event)).toEqual(["connected", "disconnected"]);
});

test("a listener may give orders, and one that throws harms nobody", async () => {
  const volume = await LibraryVolume.create();
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const caught = once(process, "uncaughtException");
  let made: Promise<unknown> | undefined;
  volume.library.once("client", () => {
    made = volume.library.createSnapshot({ ...MONDAY, cow: volume.cowPath("monday") });
    throw new Error("of the program");
  });
  const client = await volume.connect();
  expect(await caught).toMatchObject([{ message: "of the program" }, "uncaughtException"]);
  for (const listener of listeners) process.on("uncaughtException", listener);
  await made;
  expect((await client.read(0, 512)).length).toBe(512);
});

test("a read-only snapshot refuses its clients' writes, and keeps what the origin loses", async () => {
  const volume = await LibraryVolume.create({
    snapshots: [
      { ...MONDAY, readOnly: true },
      { ...MONDAY, name: "free" },
    ],
  });
  expect(volume.library.exports.map(({ name, readOnly }) => [name, readOnly])).toEqual([
    ["origin", false],
    ["monday", true],
    ["free", false],
  ]);
  await (await volume.connect()).write(4096, dataPattern(65_536, 5));
  const [monday, free] = [await volume.connect("monday"), await volume.connect("free")];
  const write = { type: Cmd.Write, length: 512, payload: dataPattern(512, 1) };
  expect((await monday.request(write)).error).toBe(NBD_EPERM);
  expect((await free.request(write)).error).toBe(0);
  expect(firstDifference(await readAll(monday), volume.before)).toBe(-1);
  // It is the program's to say so each time.
  await volume.close();
  await volume.open({ snapshots: [MONDAY, { ...MONDAY, name: "free" }] });
  expect((await (await volume.connect("monday")).request(write)).error).toBe(0);
});
