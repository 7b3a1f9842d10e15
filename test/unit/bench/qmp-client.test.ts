import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { QmpClient } from "../../../bench/qmp-client.ts";
import { makeScratch } from "../../support/free-socket.ts";

test("commands of a control socket are answered in their order, past greetings and events; an error is thrown in qemu's words", async () => {
  const scratch = await makeScratch();
  const server = createServer((socket) => {
    socket.write('{"QMP": {"version": {}}}\n');
    createInterface({ input: socket }).on("line", (line) => {
      const { execute } = JSON.parse(line) as { readonly execute: string };
      const answer = execute === "wrong" ? { error: { class: "GenericError", desc: "no such node" } } : { return: {} };
      socket.write(`{"event": "SOMETHING"}\n${JSON.stringify(answer)}\n`);
    });
  }).listen(scratch.file("qmp"));
  await once(server, "listening");
  const client = await QmpClient.open(scratch.file("qmp"));
  const both = await Promise.allSettled([client.run("wrong", { node: 1 }), client.run("right")]);
  expect(both.map((one) => (one.status === "fulfilled" ? one.value : (one.reason as Error).message))).toEqual([
    "qemu: no such node",
    {},
  ]);
  client.close();
  await expect(client.run("late")).rejects.toThrow();
  server.close();
  await scratch.remove();
});
