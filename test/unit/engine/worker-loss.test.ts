import { expect, test } from "vitest";
import type { Channel } from "../../../src/engine/channel.ts";
import { workerLoss } from "../../../src/engine/worker-loss.ts";

function channel(parts: Partial<Channel> = {}): Channel {
  return { role: "export", index: 1, ringKind: "", refused: undefined, ...parts } as Channel;
}

test("what the ring was refused is said with its code and its hint", () => {
  // It was "export worker 1 has died: EMFILE", and nothing to be done about it.
  const refused = { code: "ENOMEM", message: "ring cannot hold descriptor 20: no memory", hint: "raise it" } as const;
  expect(workerLoss(channel({ refused }), new Error("x"))).toMatchObject({
    code: "ENOMEM",
    message: "export worker 1 cannot start: ring cannot hold descriptor 20: no memory",
    hint: "raise it",
  });
});

test.each([
  ["with its code", Object.assign(new Error("EMFILE: too many open files, open 'x.js'"), { code: "EMFILE" })],
  [
    "of node's own",
    Object.assign(new Error("Worker initialization failure: EMFILE"), { code: "ERR_WORKER_INIT_FAILED" }),
  ],
  ["that has lost its code between threads", new Error("EMFILE: too many open files, open 'x.js'")],
])("a thread that cannot load its files, by an error %s", (_, cause) => {
  const loss = workerLoss(channel(), cause);
  expect(loss).toMatchObject({ code: "EMFILE", message: "export worker 1 cannot start: too many open files", cause });
  expect(loss.hint).toContain("ulimit -n");
  expect(workerLoss(channel({ ringKind: "uring" }), cause).message).toBe(
    "export worker 1 has died: too many open files",
  );
});

test("any other end is a death, with its own text", () => {
  expect(workerLoss(channel(), new TypeError("x is undefined"))).toMatchObject({
    code: "EIO",
    message: "export worker 1 has died: x is undefined",
  });
  expect(workerLoss(channel(), Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" })).code).toBe("EIO");
});

test("no thread is to be had", () => {
  const loss = workerLoss(channel(), new Error("Worker initialization failure: EAGAIN"));
  expect([loss.code, loss.message]).toEqual([
    "EAGAIN",
    "export worker 1 cannot start: the limit on threads has been reached",
  ]);
  expect(loss.hint).toContain("TasksMax");
});
