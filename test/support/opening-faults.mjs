/**
 * A program that opens a volume again and again with the built library, while the machine refuses it what it takes: the k-th thread,
 * eventfd, ring, piece of memory, file, register or socket, for every k, until a whole opening takes fewer than k. It prints one line of JSON for each:
 *
 *   { k, what, opened, code, message, hint, left, files, threads }
 *
 * `left`: what lies in the folder beside the origin afterwards. `files`, `threads`: how many more than after a good life. At the end it does
 * nothing more, and must end by itself.
 *
 * With the word `register` behind the folder only writes of the register are refused, the k-th and every later one: a full disk stays full.
 */
import fs from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import net from "node:net";
import { join } from "node:path";
import threads from "node:worker_threads";

const MIB = 2 ** 20;
const [, , folder, forGood] = process.argv;
const native = createRequire(import.meta.url)("../../native-bindings/build/Release/snapring.node");

/** [taken, refused, for good, the last that was refused is the register]: threads count with main (register-fault.mjs). */
const state = new Int32Array(new SharedArrayBuffer(16));
threads.setEnvironmentData("faults", state);
let what = "";
/** Opening threads of this life. */
let pools = 0;

/** True: this one is refused. */
function refuse(name) {
  // The few bytes that piscina takes for itself when its thread is there already: it does not take that back.
  if (name === "memory" && new Error().stack?.includes("/piscina/")) return false;
  // Another opening thread comes only where the machine was so busy that the first has ended by itself: without it the opening succeeds.
  if (name === "thread" && new Error().stack?.includes("/piscina/") && ++pools > 1) return false;
  if (forGood !== undefined && name !== forGood) return false;
  // A machine without memory has none either when it is asked again for the same.
  if (name === "memory" && what === "memory") return true;
  state[0] += 1;
  if (state[1] === 0 || (forGood === undefined ? state[0] !== state[1] : state[0] < state[1])) return false;
  what = name;
  return true;
}

function failing(name, real, failure) {
  return new Proxy(real, {
    apply: (target, self, args) => (refuse(name) ? failure(self) : Reflect.apply(target, self, args)),
    construct: (target, args, made) => (refuse(name) ? failure() : Reflect.construct(target, args, made)),
  });
}

const EMFILE = 24;
const ENOMEM = 12;
function raise(error) {
  throw error;
}
const noMemory = () => raise(new RangeError("Array buffer allocation failed"));
const coded = (code, text) => Object.assign(new Error(text), { code, syscall: "open" });

native.createEvent = failing("eventfd", native.createEvent, () => -EMFILE);
native.watchEvent = failing("watch", native.watchEvent, () => -ENOMEM);
native.createRing = failing("ring", native.createRing, () => -ENOMEM);
globalThis.SharedArrayBuffer = failing("memory", SharedArrayBuffer, noMemory);
WebAssembly.Memory = failing("pages", WebAssembly.Memory, noMemory);
fs.openSync = failing("file", fs.openSync, () => raise(coded("EMFILE", "EMFILE: too many open files, open")));
net.Server.prototype.listen = failing("socket", net.Server.prototype.listen, (server) => {
  process.nextTick(() => server.emit("error", coded("EMFILE", "listen EMFILE")));
  return server;
});
threads.Worker = failing("thread", threads.Worker, () =>
  raise(coded("ERR_WORKER_INIT_FAILED", "Worker initialization failure: EAGAIN")),
);
syncBuiltinESMExports();

const { openVolume } = await import("../../dist/src/index.js");

function endFaults() {
  if (state[3] === 1) what = "register";
  state[1] = 0;
}

async function life() {
  const volume = await openVolume({
    origin: join(folder, "origin"),
    snapshots: ["monday", "tuesday"].map((name) => ({
      name,
      cow: join(folder, `${name}.cow`),
      size: MIB,
      sparse: true,
    })),
    listen: [`unix:${join(folder, "socket")}`],
    workers: 2,
    copyWorkers: 2,
  });
  // A register that cannot be written at the end is another matter.
  endFaults();
  await volume.close();
}

function left() {
  const names = fs.readdirSync(folder).filter((name) => name !== "origin");
  // A register in which no snapshot stands is as good as none.
  const blank = (name) =>
    name.endsWith(".snapshots") && !/monday|tuesday/.test(fs.readFileSync(join(folder, name), "utf8"));
  const found = names.filter((name) => !blank(name));
  for (const name of names) fs.rmSync(join(folder, name));
  return found;
}

const count = (name) => fs.readdirSync(`/proc/self/${name}`).length;

await life();
left();
const [files, tasks] = [count("fd"), count("task")];
for (let k = 1; ; k++) {
  state.set([0, k, forGood === undefined ? 0 : 1, 0]);
  what = "";
  pools = 0;
  const { code, message, hint } = await life().then(
    () => ({}),
    (error) => ({ code: error.code, message: error.message, hint: error.hint }),
  );
  endFaults();
  if (what === "") break;
  const opened = message === undefined;
  const more = { files: count("fd") - files, threads: count("task") - tasks };
  process.stdout.write(`${JSON.stringify({ k, what, opened, code, message, hint, left: left(), ...more })}\n`);
}
