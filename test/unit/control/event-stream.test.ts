/**
 * A client's stream of events: what it has missed at its own pace, and signs of life that say how far it is.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BEAT_MS, DRAIN_MS, EventStream } from "../../../src/control/event-stream.ts";
import { Journal } from "../../../src/daemon/journal.ts";

let folder: string;
let journal: Journal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "snapring-events-"));
  journal = await Journal.open(folder);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
});
afterEach(async () => {
  vi.useRealTimers();
  await journal.close();
  await rm(folder, { recursive: true, force: true });
});

// Who watched a quiet volume came back with the id of its last event, which the journal had long forgotten, and was told that some are gone.
test("a sign of life has the id of the last event that has gone by, also of one that is not for this client", async () => {
  const out = new PassThrough();
  await new EventStream(journal, out, "a").begin(undefined);
  vi.advanceTimersByTime(BEAT_MS);
  expect(String(out.read())).toBe(": events\n\n: still here\n\n");
  journal.add({ type: "volume-open", volume: "a" });
  journal.add({ type: "volume-open", volume: "b" });
  await journal.settled();
  expect(String(out.read())).toMatch(/^id: 1\ndata: \{.*"volume":"a"\}\n\n$/);
  vi.advanceTimersByTime(BEAT_MS);
  expect(String(out.read())).toBe(": still here\nid: 2\n\n");
  out.destroy();
});

test("who takes nothing of what he has missed is cut off after a while, and what is broken harms nobody", async () => {
  for (let i = 0; i < 100; i++) journal.add({ type: "volume-open", volume: "a" });
  await journal.settled();
  const out = new PassThrough({ highWaterMark: 1000 });
  const begun = new EventStream(journal, out, undefined).begin(0);
  vi.advanceTimersByTime(DRAIN_MS - 1);
  expect(out.destroyed).toBe(false);
  vi.advanceTimersByTime(1);
  await begun;
  expect(out.destroyed).toBe(true);
  const broken = new PassThrough();
  await new EventStream(journal, broken, undefined).begin(undefined);
  broken.destroy(new Error("the client has gone"));
  journal.add({ type: "volume-open", volume: "a" });
  await journal.settled();
});
