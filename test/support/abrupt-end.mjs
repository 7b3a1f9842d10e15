/**
 * A program that opens a volume with the built library and ends without closing it, in one of the ways in which programs end:
 *
 *   node abrupt-end.mjs WAY FOLDER
 *     exit        process.exit(3)
 *     throw       an exception that nobody catches
 *     reject      a rejection that nobody catches
 *     signal      only waits: the signal is sent by the test
 *     terminate   the volume is opened by a Worker, which is terminated; then the program ends by itself
 *
 * It ends when it is told so on its standard input; before that it prints "open".
 */
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openVolume } from "../../dist/src/index.js";

const MIB = 2 ** 20;
const [way, folder] = isMainThread ? process.argv.slice(2) : workerData;

/** @type {Readonly<Record<string, () => unknown>>} */
const ends = {
  exit: () => process.exit(3),
  throw: () =>
    setImmediate(() => {
      throw new Error("thrown on purpose");
    }),
  reject: () => Promise.reject(new Error("rejected on purpose")),
  signal: () => {},
};

/** Dropped, they would warn. */
const volumes = [];

async function open() {
  const volume = await openVolume({
    origin: join(folder, "origin"),
    snapshots: [{ name: "monday", cow: join(folder, "monday.cow"), size: 16 * MIB }],
    listen: [`unix:${join(folder, "socket")}`],
    workers: 2,
  });
  volumes.push(volume);
}

if (!isMainThread) {
  await open();
  parentPort?.postMessage("open");
} else if (way === "terminate") {
  // Looked at once: it may open something of its own.
  const { stdin } = process;
  const open = () => readdirSync("/proc/self/fd").length;
  const before = open();
  const opener = new Worker(new URL(import.meta.url), { workerData: [way, folder] });
  await once(opener, "message");
  process.stdout.write("open\n");
  await once(stdin, "data");
  process.exitCode = await opener.terminate();
  if (open() > before) process.stderr.write(`${open() - before} descriptors are left\n`);
  stdin.destroy();
} else {
  await open();
  process.stdout.write("open\n");
  await once(process.stdin, "data");
  ends[way]?.();
}
