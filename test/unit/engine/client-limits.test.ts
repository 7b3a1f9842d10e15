/**
 * The clock of the limits on clients: who is told what, and when; and that no number of offenders floods the log.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  HANDSHAKE_MS,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_WORKER,
  RARE_LINE_MS,
  TRANSFER_MS,
} from "../../../src/base/constants.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import type { DescriptorRoom } from "../../../src/device/free-descriptors.ts";
import { ClientLimits } from "../../../src/engine/client-limits.ts";
import { CloseCause, Message } from "../../../src/ring/messages.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const ENOUGH = { limit: 1_048_576, free: 1_000_000 };

function scene(room: DescriptorRoom = ENOUGH): {
  limits: ClientLimits;
  worker: Channel;
  sent: number[][];
  lines: string[];
} {
  const sent: number[][] = [];
  const lines: string[] = [];
  const outbox = {
    send: (kind: number, _volume: number, id: number) => void sent.push([kind, id]),
    flush: () => false,
  };
  const worker = { outbox, dead: false, isClosed: false } as unknown as Channel;
  const limits = new ClientLimits(
    (line) => lines.push(line),
    undefined,
    () => room,
  );
  limits.serve(2);
  return { limits, worker, sent, lines };
}

test("a handshake has HANDSHAKE_MS from its beginning, each its own; one that is over has no limit", () => {
  const { limits, worker, sent } = scene();
  limits.began(1, worker);
  limits.began(2, worker);
  vi.advanceTimersByTime(HANDSHAKE_MS / 2);
  limits.began(3, worker);
  limits.entered(2);
  expect(limits.stats(3)).toMatchObject({ connections: 3, handshakes: 2, accepted: 3 });
  vi.advanceTimersByTime(HANDSHAKE_MS / 2 - 1);
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(2);
  expect(sent).toEqual([[Message.CutHandshake, 1]]);
  vi.advanceTimersByTime(HANDSHAKE_MS / 2);
  expect(sent).toEqual([
    [Message.CutHandshake, 1],
    [Message.CutHandshake, 3],
  ]);
  limits.began(4, worker);
  vi.advanceTimersByTime(HANDSHAKE_MS + 1);
  expect(sent).toHaveLength(3);
});

test("a worker in which somebody waits is told to relieve after TRANSFER_MS", () => {
  const { limits, worker, sent } = scene();
  limits.waiting(worker);
  vi.advanceTimersByTime(TRANSFER_MS - 1);
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(sent).toEqual([[Message.Relieve, 0]]);
});

test("nothing is said to a worker that has died, and nothing after the end", () => {
  const { limits, worker, sent } = scene();
  limits.began(1, worker);
  limits.waiting(worker);
  Object.assign(worker, { dead: true });
  vi.advanceTimersByTime(TRANSFER_MS);
  Object.assign(worker, { dead: false });
  limits.began(2, worker);
  limits.waiting(worker);
  limits.close();
  vi.advanceTimersByTime(10 * TRANSFER_MS);
  expect(sent).toEqual([]);
});

test("the most connections are those of the whole server, and not more than its workers can serve", () => {
  const { limits } = scene();
  expect(limits.mayCome(2 * MAX_CONNECTIONS_PER_WORKER - 1)).toBe(true);
  expect(limits.mayCome(2 * MAX_CONNECTIONS_PER_WORKER)).toBe(false);
  limits.serve(16);
  expect(limits.mayCome(MAX_CONNECTIONS - 1)).toBe(true);
  expect(limits.mayCome(MAX_CONNECTIONS)).toBe(false);
  expect(limits.stats(0).refused).toBe(2);
});

test("thousands of refusals and cuts are a line each per RARE_LINE_MS, with their number, and none is forgotten", () => {
  const { limits, worker, lines } = scene();
  for (let i = 0; i < 3000; i++) limits.mayCome(MAX_CONNECTIONS);
  expect(lines).toEqual(["1 connection refused: 512 are open, which is the most"]);
  vi.advanceTimersByTime(RARE_LINE_MS);
  expect(lines.slice(1)).toEqual(["2999 connections refused: 512 are open, which is the most"]);
  vi.advanceTimersByTime(10 * RARE_LINE_MS);
  expect(lines).toHaveLength(2);
  limits.began(1, worker);
  limits.ended(1, CloseCause.Handshake);
  limits.ended(2, CloseCause.Handshake);
  limits.ended(3, CloseCause.Transfer);
  limits.ended(4, CloseCause.Ended);
  limits.close();
  expect(lines.slice(2)).toEqual([
    "1 connection closed: no end of the handshake in 10 seconds",
    "1 connection closed: data not sent or read in 10 seconds, while other clients waited",
    "1 connection closed: no end of the handshake in 10 seconds",
  ]);
  expect(limits.stats(0)).toMatchObject({ refused: 3000, handshakeTimeouts: 2, transferTimeouts: 1, accepted: 1 });
});

test("no more clients come than there are descriptors for, and some are left to orders", () => {
  // The client too many ended an export worker, and the volume with it.
  const { limits, lines } = scene({ limit: 1024, free: 960 });
  expect(lines).toEqual(["at most 456 connections for a limit of 1024 descriptors (ulimit -n)"]);
  expect(limits.mayCome(455)).toBe(true);
  expect(limits.mayCome(456)).toBe(false);
  expect(lines.slice(1)).toEqual([
    "1 connection refused: 456 are open, which is the most for a limit of 1024 descriptors",
  ]);
});

test("with few descriptors a quarter is left to orders; those who wait have half of what they take already", () => {
  const { limits } = scene({ limit: 100, free: 40 });
  limits.serve(2, 4);
  expect([limits.mayCome(16), limits.mayCome(17)]).toEqual([true, false]);
});

test("before the volume is open so many may wait that the opening gets what it takes", () => {
  const limits = new ClientLimits(
    () => undefined,
    undefined,
    () => ({ limit: 128, free: 100 }),
  );
  expect([limits.mayCome(24), limits.mayCome(25)]).toEqual([true, false]);
});

test("a limit that leaves no descriptor for a single client is said at the start", () => {
  expect(() => scene({ limit: 64, free: 1 })).toThrow("the limit of 64 descriptors leaves none for clients");
});

test("a client that the machine has no descriptor for is refused and counted", () => {
  const { limits, worker, lines } = scene();
  limits.began(1, worker);
  limits.ended(1, CloseCause.Shortage);
  limits.shortage();
  limits.close();
  const line = "1 connection refused: this machine has no descriptor or no memory for them";
  expect(lines).toEqual([line, line]);
  expect(limits.stats(0)).toMatchObject({ accepted: 0, refused: 2 });
});
