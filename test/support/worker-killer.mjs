/**
 * Preloaded into a server (`node --import`): lets a test kill one of its worker threads as a defect would.
 *
 *   SNAPRING_TEST_KILL=copy    SIGUSR2 ─▶ a message that no worker knows ─▶ the first worker of that role throws
 *
 * It is the served product that runs, built; only the reference to its threads is taken here.
 */
import { isMainThread } from "node:worker_threads";

const role = process.env["SNAPRING_TEST_KILL"];
const UNKNOWN_MESSAGE = 999;

if (isMainThread && role !== undefined) {
  const { Threads } = await import("../../dist/src/engine/threads.js");
  const open = Threads.open.bind(Threads);
  Threads.open = async (options) => {
    const threads = await open(options);
    process.on("SIGUSR2", () => {
      const { outbox } = threads.all.find((channel) => channel.role === role);
      outbox.send(UNKNOWN_MESSAGE, 0, 0);
      outbox.flush();
    });
    return threads;
  };
}
