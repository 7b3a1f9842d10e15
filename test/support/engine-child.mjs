/**
 * An engine of the built library in a process of its own, on orders from a test (engine-process.ts): one that can be killed.
 *
 *   { id, order, arguments } ──▶        ──▶ { id, value } or { id, error }
 */
import { openEngine } from "../../dist/src/index.js";

/** @type {import("../../dist/src/index.js").Engine | undefined} */
let engine;

const orders = {
  engine: async (options) => {
    engine = await openEngine(options);
  },
  open: async (options) => {
    await engine.openVolume(options);
  },
  create: (volume, options) => engine.volumes.get(volume).createSnapshot(options),
  drop: (volume, name) => engine.volumes.get(volume).dropSnapshot(name),
  closeVolume: (volume) => engine.volumes.get(volume).close(),
  close: () => engine.close(),
  stats: () => engine.stats(),
};

process.on("message", ({ id, order, argumentList }) => {
  Promise.resolve()
    .then(() => orders[order](...argumentList))
    .then(
      (value) => process.send({ id, value }),
      (error) => process.send({ id, error: String(error) }),
    );
});

// The test is gone.
process.on("disconnect", () => process.exit());
