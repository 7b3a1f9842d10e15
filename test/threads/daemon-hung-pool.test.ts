/** The folder of a pool is on a server that does not answer: nobody but who makes or undoes a snapshot there waits for it. */
import { afterEach, expect, test, vi } from "vitest";
import { DaemonBench, removeDaemons } from "../support/daemon-bench.ts";

vi.mock("../../src/daemon/unfinished-files.ts", async (original) => ({
  ...(await original<object>()),
  abandonedIn: () => new Promise(() => {}),
}));

afterEach(removeDaemons);

test("volumes are served at the start all the same", async () => {
  const bench = await DaemonBench.open();
  await bench.addVolume("a");
  await bench.restart();
  expect((await (await bench.connect("a")).read(0, 512)).length).toBe(512);
  expect(bench.daemon.status()).toMatchObject({ phase: "ready" });
});
