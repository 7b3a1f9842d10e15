/**
 * The built library in a process of its own, on orders from a test: see volume-process.ts.
 *
 *   { id, order, argument } ──▶        ──▶ { id, value } or { id, error: { code, message } }
 *                                      ──▶ { notice: [name, event, reason] }, { line }
 */
import { readdirSync } from "node:fs";
import { openVolume } from "../../dist/src/index.js";

/** @type {import("../../dist/src/index.js").Volume | undefined} */
let volume;

const orders = {
  open: async (options) => {
    volume = await openVolume({ ...options, log: (line) => process.send({ line }) });
    volume.on("snapshot", (...notice) => notice[1] !== "merge-progress" && process.send({ notice }));
    volume.on("error", (error) => process.send({ notice: ["", "error", String(error)] }));
  },
  create: (options) => volume.createSnapshot(options),
  drop: (name) => volume.dropSnapshot(name),
  merge: (name) => volume.startMerge(name),
  stopMerge: () => volume.stopMerge(),
  status: (name) => volume.status(name),
  stats: () => volume.stats(),
  close: async () => {
    await volume?.close();
    volume = undefined;
  },
  // From now on the machine has no memory: neither new nor more of it for what is there.
  refuseMemory: (what) => {
    const refuse = () => {
      throw new RangeError("Array buffer allocation failed");
    };
    if (what === "new") globalThis.SharedArrayBuffer = new Proxy(SharedArrayBuffer, { construct: refuse });
    else SharedArrayBuffer.prototype.grow = refuse;
  },
  // What a closed volume may leave behind nowhere.
  leftovers: () => ({ files: readdirSync("/proc/self/fd").length, threads: readdirSync("/proc/self/task").length }),
};

process.on("message", ({ id, order, argument }) => {
  Promise.resolve()
    .then(() => orders[order](argument))
    .then(
      (value) => process.send({ id, value }),
      ({ code, message }) => process.send({ id, error: { code, message } }),
    );
});

// The test is gone.
process.on("disconnect", () => process.exit());
