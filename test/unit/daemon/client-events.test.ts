/** A client that comes and goes without end fills no journal: the first few are told, the others counted. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CLIENT_EVENTS, CLIENT_WINDOW_MS, ClientEvents } from "../../../src/daemon/client-events.ts";
import type { DaemonEventBody } from "../../../src/daemon/daemon-event.ts";

const CLIENT = { connection: 7, export: "origin", address: "unix" };

let told: DaemonEventBody[] = [];

beforeEach(() => {
  told = [];
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

function comeAndGo(events: ClientEvents, times: number): void {
  for (let i = 0; i < times; i++) {
    events.hear("connected", CLIENT, "");
    events.hear("disconnected", CLIENT, "");
  }
}

test("the first of a while are told singly, with what is known of the client, and why it was cut off", () => {
  const events = new ClientEvents((event) => told.push(event));
  events.hear("connected", CLIENT, "");
  events.hear("disconnected", CLIENT, "ETIMEDOUT");
  vi.advanceTimersByTime(CLIENT_WINDOW_MS);
  expect(told).toEqual([
    { type: "client-connected", data: CLIENT },
    { type: "client-disconnected", data: { ...CLIENT, reason: "ETIMEDOUT" } },
  ]);
});

test("all further ones are one event with their numbers, at the end of the window; then a new one begins", () => {
  const events = new ClientEvents((event) => told.push(event));
  comeAndGo(events, 100);
  expect(told.length).toBe(CLIENT_EVENTS);
  vi.advanceTimersByTime(CLIENT_WINDOW_MS);
  const rest = 100 - CLIENT_EVENTS / 2;
  expect(told.slice(CLIENT_EVENTS)).toEqual([{ type: "clients", data: { connected: rest, disconnected: rest } }]);
  vi.advanceTimersByTime(10 * CLIENT_WINDOW_MS);
  expect(told.length).toBe(CLIENT_EVENTS + 1);
  comeAndGo(events, 1);
  expect(told.slice(CLIENT_EVENTS + 1).map(({ type }) => type)).toEqual(["client-connected", "client-disconnected"]);
});

test("a close tells what has been counted by then, once", () => {
  const events = new ClientEvents((event) => told.push(event));
  comeAndGo(events, CLIENT_EVENTS);
  events.close();
  events.close();
  expect(told.at(-1)).toEqual({ type: "clients", data: { connected: 5, disconnected: 5 } });
  expect(told.length).toBe(CLIENT_EVENTS + 1);
  expect(vi.getTimerCount()).toBe(0);
});
