import { stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { freePort, makeScratch } from "../../support/free-socket.ts";

test("two scratch folders are two, and short enough for a socket's path", async () => {
  const [a, b] = [await makeScratch(), await makeScratch()];
  expect(a.path).not.toBe(b.path);
  expect(a.file("a-long-name-of-a.sock").length).toBeLessThan(108);
  await Promise.all([a.remove(), b.remove()]);
});

test("removing a scratch folder removes what is in it", async () => {
  const scratch = await makeScratch();
  await writeFile(scratch.file("x"), "x");
  await scratch.remove();
  await expect(stat(scratch.path)).rejects.toThrow("ENOENT");
});

test("a free port can be listened on", async () => {
  const port = await freePort();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  await new Promise((resolve) => server.close(resolve));
});
