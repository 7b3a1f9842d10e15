/**
 * Defects of ours: whatever throws in the core or in the shell around it ends the volume, once, in words; clients are cut off, orders are
 * rejected, and a close ends. What functions of the program around it throw ends nothing.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AssertionFailure } from "../../src/base/assert.ts";
import { Core } from "../../src/core/core.ts";
import { LifeCycle } from "../../src/core/life-cycle.ts";
import { Parking } from "../../src/core/parking.ts";
import { ClientLimits } from "../../src/engine/client-limits.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { LibraryVolume, removeVolumes } from "../support/library-volume.ts";

const MIB = 2 ** 20;
const MONDAY = { name: "monday", size: 16 * MIB, chunkSize: 4096 } as const;

/** What nobody has caught; vitest's own listeners would take it for a failure of the test. */
const uncaught: unknown[] = [];
const note = (error: unknown): number => uncaught.push(error);
let usual: NodeJS.UncaughtExceptionListener[] = [];

beforeEach(() => {
  uncaught.length = 0;
  usual = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", note);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await removeVolumes();
  process.removeAllListeners("uncaughtException");
  for (const listener of usual) process.on("uncaughtException", listener);
});

function planted(): never {
  throw new AssertionFailure("planted");
}

interface Case {
  readonly plant: () => unknown;
  readonly act: (volume: LibraryVolume) => Promise<unknown>;
}

/** Every way into the core. */
const WAYS: Readonly<Record<string, Case>> = {
  "an order": {
    plant: () => vi.spyOn(LifeCycle.prototype, "drop").mockImplementation(planted),
    act: (volume) => volume.library.dropSnapshot("monday"),
  },
  "a message of a worker": {
    plant: () => vi.spyOn(Parking.prototype, "ask").mockImplementation(planted),
    act: async (volume) => (await volume.connect()).write(0, dataPattern(512, 3)),
  },
  "a turn": {
    plant: () => vi.spyOn(Core.prototype, "turn").mockImplementation(planted),
    act: async (volume) => (await volume.connect()).write(0, dataPattern(512, 3)),
  },
  "a timer": {
    plant: () => vi.spyOn(Core.prototype, "tick").mockImplementation(planted),
    act: async (volume) => {
      const client = await volume.connect("monday");
      await client.write(0, dataPattern(512, 3));
      await client.stream.ended();
      throw new Error("the stream has ended");
    },
  },
  "an answer of the register": {
    plant: () => vi.spyOn(Core.prototype, "registered").mockImplementation(planted),
    act: (volume) => volume.library.createSnapshot({ ...MONDAY, name: "tuesday", cow: volume.cowPath("tuesday") }),
  },
  growth: {
    plant: () => vi.spyOn(LifeCycle.prototype, "resize").mockImplementation(planted),
    act: (volume) => volume.library.growSnapshot("monday"),
  },
  "a step of a merge": {
    plant: () => vi.spyOn(Core.prototype, "mergeContinue").mockImplementation(planted),
    act: async (volume) => {
      await (await volume.connect("monday")).write(0, dataPattern(4096, 3));
      const client = await volume.connect();
      await volume.library.startMerge("monday");
      await client.stream.ended();
      throw new Error("the stream has ended");
    },
  },
  "a client that comes": {
    plant: () => vi.spyOn(ClientLimits.prototype, "began").mockImplementation(planted),
    act: (volume) => volume.connect(),
  },
  "a stop": {
    plant: () => vi.spyOn(LifeCycle.prototype, "close").mockImplementation(planted),
    act: async (volume) => {
      await volume.library.close();
      throw new Error("it has ended");
    },
  },
};

test.each(Object.keys(WAYS))("an assertion that fails in %s ends the volume, and hangs nobody", async (way) => {
  const { plant, act } = WAYS[way]!;
  const volume = await LibraryVolume.create({ snapshots: [MONDAY], mergePercent: 50, groupWaitMs: 20 });
  const errors: Error[] = [];
  volume.library.on("error", (error) => errors.push(error));
  const idle = await volume.connect();
  plant();
  await expect(act(volume)).rejects.toThrow();
  await idle.stream.ended();
  await expect(volume.library.createSnapshot({ ...MONDAY, cow: "unused" })).rejects.toThrow("internal error: planted");
  await volume.close();
  expect(errors.map((error) => error.message)).toEqual(["the volume has failed: internal error: planted"]);
  expect(errors[0]!.cause).toBeInstanceOf(AssertionFailure);
  expect(volume.lines.filter((line) => line.includes("planted"))).toHaveLength(1);
  expect(uncaught).toEqual([]);
  vi.restoreAllMocks();
  const { monday: _, ...others } = await volume.registered();
  await volume.open({ abandon: Object.keys(others) });
  expect(volume.library.status("monday").state).toBe("active");
});

test("an error that nobody listens to is thrown", async () => {
  const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
  const idle = await volume.connect();
  vi.spyOn(LifeCycle.prototype, "drop").mockImplementation(planted);
  await expect(volume.library.dropSnapshot("monday")).rejects.toThrow("internal error: planted");
  await idle.stream.ended();
  expect(uncaught.map(String)).toEqual(["SnapringError: the volume has failed: internal error: planted"]);
});

test("a listener that throws is the program's own error, a log that throws is counted: the volume goes on", async () => {
  const mine = new Error("of the program");
  const throws = (): never => {
    throw mine;
  };
  const volume = await LibraryVolume.create({ snapshots: [MONDAY], log: throws });
  const { library } = volume;
  const errors: Error[] = [];
  library.on("error", (error) => errors.push(error));
  const client = await volume.connect();
  await (await volume.connect("monday")).write(0, dataPattern(4096, 3));
  const merged = new Promise<void>((resolve) => {
    library.on("snapshot", (_name, event) => {
      if (event === "merged") resolve();
      throw mine;
    });
  });
  await library.startMerge("monday");
  await merged;
  expect((await client.read(0, 4096)).equals(dataPattern(4096, 3))).toBe(true);
  await client.write(0, dataPattern(512, 4));
  expect(library.stats().droppedLines).toBeGreaterThan(0);
  await volume.close();
  expect(errors).toEqual([]);
  expect(uncaught.length).toBeGreaterThan(0);
  expect(uncaught.every((error) => error === mine)).toBe(true);
});

test("a listener of an event may give an order", async () => {
  // It was called from inside the core, which took the order for an effect that calls back: an assertion.
  const volume = await LibraryVolume.create({ snapshots: [MONDAY] });
  const { library } = volume;
  const errors: unknown[] = [];
  library.on("error", (error) => errors.push(error));
  await (await volume.connect("monday")).write(0, dataPattern(4096, 3));
  const order = new Promise<unknown>((resolve) => {
    library.once("snapshot", () => {
      library.dropSnapshot("monday").then(resolve, resolve);
    });
  });
  await library.startMerge("monday");
  expect(String(await order)).toContain("merging");
  expect(errors).toEqual([]);
  expect((await (await volume.connect()).read(0, 512)).equals(dataPattern(512, 3))).toBe(true);
});
