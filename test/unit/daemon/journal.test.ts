/**
 * The journal of events: ids rise over restarts, what was told is written, and what is gone is said to be gone.
 */
import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DaemonEvent } from "../../../src/daemon/daemon-event.ts";
import { Journal } from "../../../src/daemon/journal.ts";

let folder: string;
let journal: Journal | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "snapring-journal-"));
});
afterEach(async () => {
  await journal?.close();
  journal = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function opened(): Promise<Journal> {
  await journal?.close();
  journal = await Journal.open(folder);
  return journal;
}

async function add(to: Journal, count: number): Promise<void> {
  for (let i = 0; i < count; i++) to.add({ type: "snapshot", volume: "a", data: { i } });
  await to.settled();
}

const ids = (events: readonly DaemonEvent[]): number[] => events.map(({ id }) => id);

async function written(): Promise<number[]> {
  const texts = await Promise.all(
    [0, 1].map((n) => readFile(join(folder, `events.${n}.jsonl`), "utf8").catch(() => "")),
  );
  const lines = texts
    .join("")
    .split("\n")
    .filter((line) => line.startsWith("{"));
  return lines.map((line) => (JSON.parse(line) as DaemonEvent).id).sort((a, b) => a - b);
}

test("what is told is in the file by then, in order", async () => {
  const events = await opened();
  const told: number[] = [];
  const inFile: number[][] = [];
  events.listen(({ id }) => {
    told.push(id);
    inFile.push([]);
  });
  await add(events, 3);
  expect(told).toEqual([1, 2, 3]);
  expect(await written()).toEqual([1, 2, 3]);
});

test("ids go on where they were, and who names the last one that he has seen gets those behind it", async () => {
  await add(await opened(), 3);
  const again = await opened();
  expect(again.lastId).toBe(3);
  await add(again, 2);
  expect(ids(again.since(0))).toEqual([1, 2, 3, 4, 5]);
  expect(ids(again.since(3))).toEqual([4, 5]);
  expect(again.since(5)).toEqual([]);
});

test("a line that a crash has cut was told to nobody: it is passed over, and nothing is written into it", async () => {
  await add(await opened(), 2);
  await journal?.close();
  journal = undefined;
  const path = join(
    folder,
    (await readFile(join(folder, "events.0.jsonl"), "utf8").catch(() => "")) === ""
      ? "events.1.jsonl"
      : "events.0.jsonl",
  );
  await appendFile(path, '{"id":3,"time":"20');
  const again = await opened();
  expect(again.lastId).toBe(2);
  await add(again, 1);
  expect(ids((await opened()).since(0))).toEqual([1, 2, 3]);
});

test("what is older than its files are long is gone, and a gap says so", async () => {
  const events = await opened();
  for (let i = 0; i < 16; i++) await add(events, 1000);
  const again = await opened();
  const [gap, ...rest] = again.since(1);
  expect(gap.type).toBe("gap");
  expect(gap.data).toEqual({ after: 1, next: rest[0].id });
  expect(ids(rest)).toEqual(Array.from({ length: rest.length }, (_, i) => rest[0].id + i));
  expect(rest.at(-1)?.id).toBe(16_000);
  expect(rest.length).toBeGreaterThanOrEqual(5000);
  expect(again.since(15_999).map(({ type }) => type)).toEqual(["snapshot"]);
});

test("an id that this journal has never given is of another one: a gap, and all that there is", async () => {
  const events = await opened();
  await add(events, 2);
  expect(events.since(99).map(({ type }) => type)).toEqual(["gap", "snapshot", "snapshot"]);
});

test("an empty journal has no gap for who has seen nothing", async () => {
  const events = await opened();
  expect(events.since(0)).toEqual([]);
});

test("where it cannot be written events are told all the same, and written when they can be", async () => {
  await rename(folder, `${folder}.away`);
  const events = await Journal.open(folder);
  journal = events;
  const told: number[] = [];
  events.listen(({ id }) => told.push(id));
  await add(events, 2);
  expect(told).toEqual([1, 2]);
  expect(events.fault).toMatchObject({ code: "ENOENT" });
  expect(ids(events.since(0))).toEqual([1, 2]);
  await rename(`${folder}.away`, folder);
  await add(events, 1);
  expect(events.fault).toBeUndefined();
  expect(await written()).toEqual([1, 2, 3]);
});

test("files that are no journal are passed over", async () => {
  await writeFile(join(folder, "events.0.jsonl"), "no\n[]\n{}\n");
  const events = await opened();
  expect(events.lastId).toBe(0);
  await add(events, 1);
  expect(ids((await opened()).since(0))).toEqual([1]);
});

test("who does not listen any more is told nothing", async () => {
  const events = await opened();
  const told: number[] = [];
  const end = events.listen(({ id }) => told.push(id));
  await add(events, 1);
  end();
  await add(events, 1);
  expect(told).toEqual([1]);
});

// In between it was neither one that waited nor one that had been told: what asked for it then was told again, or was not known.
test("an event is found from the moment at which it was added, also while it is being written", async () => {
  const to = await opened();
  const isThere = (): boolean => to.find(({ volume }) => volume === "a") !== undefined;
  const seen: boolean[] = [];
  to.add({ type: "volume-open", volume: "a" });
  const told = to.settled();
  let isTold = false;
  void told.then(() => (isTold = true));
  while (!isTold) {
    seen.push(isThere());
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect([seen.length > 0, seen.every((one) => one), isThere()]).toEqual([true, true, true]);
});
