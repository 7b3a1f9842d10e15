/**
 * Operations: written down before they begin, once under way once, seen to their end by whoever asks, and gone on with after a restart.
 */
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SnapringError } from "../../../src/base/errno.ts";
import { Journal } from "../../../src/daemon/journal.ts";
import { Operations, type RunningOperation } from "../../../src/daemon/operations.ts";
import { StateFile } from "../../../src/daemon/state-file.ts";

const WHERE = { volume: "a", snapshot: "s" };
const LONG_SECONDS = 60;

interface Run {
  readonly operation: RunningOperation;
  readonly end: (result?: Record<string, unknown>) => void;
  readonly fail: (error: Error) => void;
}

let folder: string;
let state: StateFile;
let journal: Journal;
let operations: Operations;
let runs: Run[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "snapring-operations-"));
  await begin();
});
afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});

async function begin(): Promise<void> {
  runs = [];
  state = await StateFile.open(folder);
  journal = await Journal.open(folder);
  const run = (operation: RunningOperation): Promise<Record<string, unknown> | undefined> =>
    new Promise((end, fail) => runs.push({ operation, end, fail }));
  operations = new Operations(state, journal, { drop: run, grow: run, merge: run });
}

/** As a daemon's end does it: what is under way is told that its volume closes. */
async function stop(): Promise<void> {
  operations.stopping();
  for (const { fail } of runs) fail(new SnapringError("ESHUTDOWN", "the volume is closed"));
  await operations.close();
  await journal.close();
  await state.close();
}

async function restart(): Promise<void> {
  await stop();
  await begin();
}

const told = (): string[] =>
  journal.since(0).map(({ type, data }) => `${type} ${String(data?.["state"] ?? data?.["kind"])}`);

test("it is written down before it begins, and its end is durable", async () => {
  const { id, state: begun } = await operations.start("drop", WHERE);
  expect([id, begun]).toEqual(["op-1", "running"]);
  runs[0].end({ freed: 1 });
  expect(await operations.wait(id, LONG_SECONDS)).toMatchObject({ state: "done", result: { freed: 1 }, fraction: 1 });
  await restart();
  expect(operations.get(id)).toMatchObject({ state: "done", result: { freed: 1 } });
  operations.resume("a");
  expect(runs).toHaveLength(0);
  expect(told()).toEqual(["operation-started drop", "operation-ended done"]);
});

test("the same again is the one under way; another wish for the same snapshot is refused", async () => {
  const first = await operations.start("grow", WHERE, { size: 512 });
  expect((await operations.start("grow", WHERE, { size: 512 })).id).toBe(first.id);
  await expect(operations.start("grow", WHERE, { size: 1024 })).rejects.toMatchObject({ code: "busy" });
  expect((await operations.start("grow", { ...WHERE, volume: "b" }, { size: 1024 })).id).not.toBe(first.id);
  expect(runs).toHaveLength(2);
  runs[0].end();
  await operations.wait(first.id, LONG_SECONDS);
  expect((await operations.start("grow", WHERE, { size: 512 })).id).not.toBe(first.id);
});

test("under a key it is begun once, whoever asks, also when it has ended, and the key is nobody else's", async () => {
  const asked = { throttle: 25 };
  const { id } = await operations.start("merge", WHERE, asked, "one");
  expect((await operations.start("merge", WHERE, asked, "two")).id).toBe(id);
  runs[0].end();
  await operations.wait(id, LONG_SECONDS);
  await restart();
  for (const key of ["one", "two"]) {
    expect(operations.saidBefore("merge", WHERE, key)).toMatchObject({ id, state: "done" });
    expect(await operations.start("merge", WHERE, asked, key)).toMatchObject({ id, state: "done" });
  }
  await expect(operations.start("drop", WHERE, {}, "one")).rejects.toMatchObject({ code: "differs" });
  expect(operations.saidBefore("merge", WHERE, "three")).toBeUndefined();
  expect(runs).toHaveLength(0);
  expect((await operations.start("merge", WHERE, asked)).id).not.toBe(id);
});

test("so many keys are kept of one operation, and who comes with a further one is told to wait", async () => {
  const { id } = await operations.start("merge", WHERE, {}, "first");
  const more = Array.from({ length: 99 }, (_, i) => operations.start("merge", WHERE, {}, `key ${i}`));
  expect(new Set((await Promise.all(more)).map((one) => one.id))).toEqual(new Set([id]));
  await expect(operations.start("merge", WHERE, {}, "last")).rejects.toMatchObject({ code: "busy" });
});

test("one that fails says why in the engine's words, also after a restart", async () => {
  const { id } = await operations.start("drop", WHERE);
  runs[0].fail(new SnapringError("EBUSY", "it merges", { hint: "wait" }));
  const problem = { code: "busy", detail: "it merges", hint: "wait", retry: "after-fix", cause: { code: "EBUSY" } };
  expect(await operations.wait(id, LONG_SECONDS)).toMatchObject({ state: "failed", problem });
  await restart();
  expect(operations.get(id)).toMatchObject({ state: "failed", problem });
});

test("one that is cancelled hears of it, and ends as cancelled", async () => {
  const { id } = await operations.start("merge", WHERE);
  await expect.poll(() => runs.length).toBe(1);
  await operations.cancel(id);
  expect(runs[0].operation.signal.aborted).toBe(true);
  runs[0].fail(Object.assign(new Error("stopped"), { code: "ABORT_ERR" }));
  expect(await operations.wait(id, LONG_SECONDS)).toMatchObject({ state: "cancelled" });
  expect(() => operations.get("op-99")).toThrow(expect.objectContaining({ code: "not-found" }));
});

test("one that was cancelled is so after a restart, from the beginning of its run", async () => {
  const { id } = await operations.start("merge", WHERE);
  await operations.cancel(id);
  await restart();
  operations.resume("a");
  await expect.poll(() => runs.length).toBe(1);
  expect(runs[0].operation.signal.aborted).toBe(true);
});

// It was told that it is cancelled, and nothing was: its volume's device was gone for good, and kept the volume from being removed.
test("one whose volume is not open ends when it is cancelled, but a merge, which is only noted", async () => {
  const ids = [(await operations.start("drop", WHERE)).id, (await operations.start("merge", WHERE)).id];
  await restart();
  for (const id of ids) await operations.cancel(id);
  expect(ids.map((id) => operations.get(id).state)).toEqual(["cancelled", "running"]);
  await journal.settled();
  expect(told().at(-1)).toBe("operation-ended cancelled");
  operations.resume("a");
  await expect.poll(() => runs.length).toBe(1);
  expect(runs[0].operation).toMatchObject({ record: { kind: "merge" }, signal: { aborted: true } });
});

// What is told is told when it is in the journal: what the state had by then, and the journal not, nobody heard of after a kill.
test("a beginning and an end that a kill kept from being told are told at the next start, once", async () => {
  journal.add({ type: "daemon-started" });
  const { id } = await operations.start("drop", WHERE);
  runs[0].end();
  await operations.wait(id, LONG_SECONDS);
  await journal.settled();
  for (const lines of [2, 1]) {
    await stop();
    const path = join(folder, "events.1.jsonl");
    const kept = (await readFile(path, "utf8")).split("\n").slice(0, lines);
    await writeFile(path, kept.map((line) => `${line}\n`).join(""));
    await begin();
    operations.tellMissed();
    operations.tellMissed();
    await journal.settled();
    expect(told().slice(1)).toEqual(["operation-started drop", "operation-ended done"]);
  }
});

test("one that the daemon's end has cut runs again at the next start, with what was noted, and is told of once", async () => {
  const { id } = await operations.start("merge", WHERE, { throttle: 25 });
  await expect.poll(() => runs.length).toBe(1);
  await runs[0].operation.note({ presented: true });
  await restart();
  expect(operations.get(id).state).toBe("running");
  operations.resume("b");
  expect(runs).toHaveLength(0);
  operations.resume("a");
  operations.resume("a");
  await expect.poll(() => runs.length).toBe(1);
  expect(runs[0].operation.record.params).toEqual({ throttle: 25, presented: true });
  runs[0].end();
  await operations.wait(id, LONG_SECONDS);
  await journal.settled();
  expect(told()).toEqual(["operation-started merge", "operation-ended done"]);
});

test("a failure while the daemon ends that is not the end's is a failure", async () => {
  const { id } = await operations.start("drop", WHERE);
  await expect.poll(() => runs.length).toBe(1);
  operations.stopping();
  runs[0].fail(new SnapringError("EIO", "the device failed"));
  await operations.close();
  expect(operations.get(id)).toMatchObject({ state: "failed", problem: { code: "device-failed" } });
});

test("its progress gives a rate and what is left", async () => {
  const { id } = await operations.start("merge", WHERE);
  await expect.poll(() => runs.length).toBe(1);
  runs[0].operation.progress({ fraction: 0.25, left: 300, unit: "chunks" });
  expect(operations.get(id)).toMatchObject({ fraction: 0.25, left: 300, unit: "chunks" });
  expect(operations.get(id).etaSeconds).toBeUndefined();
  runs[0].operation.progress({ fraction: 0.5, left: 200, unit: "chunks" });
  const { rate, etaSeconds } = operations.get(id);
  expect(rate).toBeGreaterThan(0);
  expect(etaSeconds).toBeGreaterThanOrEqual(0);
});

test("waiting ends after its time, with what it is then, and when the one who waits has gone", async () => {
  const { id } = await operations.start("merge", WHERE);
  expect((await operations.wait(id, 0)).state).toBe("running");
  const gone = new AbortController();
  const waiting = operations.wait(id, LONG_SECONDS, gone.signal);
  gone.abort();
  expect((await waiting).state).toBe("running");
});

test("a full disk under the state keeps an operation from beginning, and its end from being told before it is written", async () => {
  const { id } = await operations.start("drop", WHERE);
  await expect.poll(() => runs.length).toBe(1);
  await rename(folder, `${folder}.away`);
  await expect(operations.start("drop", { ...WHERE, volume: "b" })).rejects.toMatchObject({ code: "state-unwritable" });
  expect(runs).toHaveLength(1);
  runs[0].end();
  expect((await operations.wait(id, 0.1)).state).toBe("running");
  await rename(`${folder}.away`, folder);
  expect((await operations.wait(id, LONG_SECONDS)).state).toBe("done");
});

test("the last two hundred that have ended are remembered, and every one under way", async () => {
  const first = await operations.start("merge", { ...WHERE, volume: "first" });
  for (let i = 0; i < 210; i++) {
    const { id } = await operations.start("drop", { ...WHERE, snapshot: `s${i}` });
    await expect.poll(() => runs.length).toBe(i + 2);
    runs[i + 1].end();
    await operations.wait(id, LONG_SECONDS);
  }
  const all = operations.list();
  expect(all.length).toBe(200);
  expect(all[0].id).toBe(first.id);
});
