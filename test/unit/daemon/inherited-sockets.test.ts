/** The sockets that a service manager hands over: which, what for, and that nobody else takes them for his. */
import { expect, test } from "vitest";
import { inheritedSockets } from "../../../src/daemon/inherited-sockets.ts";

const PID = 4711;

test("they begin at 3, and have the names of their units", () => {
  const env: NodeJS.ProcessEnv = { LISTEN_PID: "4711", LISTEN_FDS: "4", LISTEN_FDNAMES: "control:nbd::", PATH: "/bin" };
  expect(inheritedSockets(env, PID)).toEqual([
    { fd: 3, name: "control" },
    { fd: 4, name: "nbd" },
    { fd: 5, name: "unknown" },
    { fd: 6, name: "unknown" },
  ]);
  expect(env).toEqual({ PATH: "/bin" });
});

test("one without names is unknown", () => {
  expect(inheritedSockets({ LISTEN_PID: String(process.pid), LISTEN_FDS: "1" })).toEqual([{ fd: 3, name: "unknown" }]);
});

test.each([
  ["none were handed over", {}],
  ["they are another process's", { LISTEN_PID: "4712", LISTEN_FDS: "1" }],
  ["their number is none", { LISTEN_PID: "4711", LISTEN_FDS: "-1" }],
  ["there are too many", { LISTEN_PID: "4711", LISTEN_FDS: "9999" }],
  ["there are none of them", { LISTEN_PID: "4711", LISTEN_FDS: "0" }],
])("nothing where %s, and nothing is left for a child", (_, given) => {
  const env: NodeJS.ProcessEnv = { ...given };
  expect(inheritedSockets(env, PID)).toEqual([]);
  expect(env).toEqual({});
});
