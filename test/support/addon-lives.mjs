/**
 * What JavaScript can do with the addon's handles, in a process of its own: rings and watches that are closed, closed twice, used
 * afterwards, dropped and collected, left to the end of a thread or of the process; and arguments of every kind.
 *
 *   node --expose-gc addon-lives.mjs ADDON [dropped]   "dropped": only that, with the collections that it needs
 *
 * It prints one line of JSON: descriptors before and after, and how many of the dropped arenas were given back. Whatever is wrong with
 * the handles' ends kills the process, at its exit at the latest, or is told by a sanitizer that the addon was built with.
 */
import { closeSync, openSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { setImmediate } from "node:timers/promises";
import { Worker, isMainThread, workerData } from "node:worker_threads";

const [, , path, what] = isMainThread ? process.argv : workerData;
const addon = createRequire(import.meta.url)(path);
const kinds = addon.probe() === 0 ? [true, false] : [false];
const DROPPED = 20;
/** Collections, each followed by the finalizers that it has made due. */
const ROUNDS = 50;

const shared = (words) => new Int32Array(new SharedArrayBuffer(4 * words));
const pages = () => new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer);
const openDescriptors = () => readdirSync("/proc/self/fd").length;

const arenas = { collected: 0 };
const registry = new FinalizationRegistry(() => arenas.collected++);

/** A ring with a file, and with a read of an event that nobody signals under way. */
function makeRing(uring) {
  const arena = pages();
  registry.register(arena);
  const submissions = shared(16 * 4);
  const ring = addon.createRing(uring, arena, submissions, shared(4 * 4), 4, 4, 65536, 0);
  const event = addon.createEvent();
  ring.setFile(0, event, 3);
  addon.closeEvent(event);
  submissions.set([8, 0, 1, 0, 8]);
  ring.turn(1, false);
  return ring;
}

function throws(call) {
  try {
    call();
  } catch {
    return;
  }
  throw new Error("it did not throw");
}

async function collect(until) {
  for (let i = 0; i < ROUNDS && !until(); i++) {
    globalThis.gc();
    await setImmediate();
  }
}

async function drop() {
  const before = openDescriptors();
  for (const uring of kinds) for (let i = 0; i < DROPPED; i++) makeRing(uring);
  const made = openDescriptors();
  await collect(() => arenas.collected === DROPPED * kinds.length && openDescriptors() === before);
  return { before, made, after: openDescriptors(), arenas: arenas.collected, expected: DROPPED * kinds.length };
}

function closeAndUse(uring) {
  const ring = makeRing(uring);
  const { turn, close } = ring;
  close();
  close();
  for (const call of [() => turn(0, false), () => ring.setFile(0, 0, 0), ring.counters, () => ring.copy(0, 0, 0)])
    throws(call);
}

async function watches() {
  const fd = addon.createEvent();
  const first = addon.watchEvent(fd, () => first.close());
  addon.signalEvent(fd);
  await setImmediate();
  await setImmediate();
  first.close();
  throws(() => addon.watchEvent(fd, 1));
  // What no event loop can watch.
  const plain = openSync(path, "r");
  if (!(addon.watchEvent(plain, () => {}) < 0)) throw new Error("a plain file was watched");
  closeSync(plain);
  for (let i = 0; i < DROPPED; i++) addon.watchEvent(addon.createEvent(), () => {}).close();
}

function oddArguments(of) {
  const odd = [undefined, null, "1", {}, [], Number.NaN, 0.5, 2 ** 53, -(2 ** 40), Symbol("x"), () => 0, true, pages()];
  for (const call of Object.values(of).filter((value) => typeof value === "function")) {
    for (let count = 1; count <= 9; count++) {
      for (const value of odd) {
        try {
          call(...new Array(count).fill(value));
        } catch (error) {
          if (!(error instanceof TypeError) && !(error instanceof RangeError)) throw error;
        }
      }
    }
  }
}

/** A thread that ends, or is ended, with everything open. */
function leave() {
  for (const uring of kinds) globalThis.left = [globalThis.left, makeRing(uring), addon.ownEvent(addon.createEvent())];
  globalThis.watch = addon.watchEvent(addon.createEvent(), () => {});
}

async function main() {
  const facts = await drop();
  if (what !== "dropped") {
    for (const uring of kinds) closeAndUse(uring);
    await watches();
    oddArguments(addon);
    for (const uring of kinds) oddArguments({ ...makeRing(uring), close: undefined });
    for (const way of ["ends", "exits", "throws", "terminated"]) {
      const worker = new Worker(new URL(import.meta.url), { workerData: ["", "", path, way] });
      worker.on("error", () => {});
      if (way === "terminated") worker.once("message", () => worker.terminate());
      await new Promise((resolve) => worker.once("exit", resolve));
    }
    leave();
    globalThis.watch.unref();
  }
  // Dropped, and not yet collected.
  for (const uring of kinds) makeRing(uring);
  console.log(JSON.stringify(facts));
}

async function thread() {
  const { parentPort } = await import("node:worker_threads");
  leave();
  parentPort.postMessage("open");
  if (what === "terminated") return;
  globalThis.watch.unref();
  if (what === "exits") process.exit(3);
  if (what === "throws") throw new Error("of the thread");
}

await (isMainThread ? main() : thread());
