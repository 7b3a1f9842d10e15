/**
 * An engine of the built library in a process of its own, on orders from a test (engine-process.ts): one that can be killed.
 *
 *   { id, order, arguments } ──▶        ──▶ { id, value } or { id, error }
 */
import { openEngine } from "../../dist/src/index.js";

/** @type {import("../../dist/src/index.js").Engine | undefined} */
let engine;
/** @type {Promise<unknown> | undefined} */
let opening;
/** @type {AbortController | undefined} */
let aborter;

const orders = {
  engine: async (options) => {
    engine = await openEngine(options);
  },
  open: async (options) => {
    await engine.openVolume(options);
  },
  /** Begins to open a volume; `abort` ends that. */
  begin: (options) => {
    aborter = new AbortController();
    opening = engine.openVolume(options, { signal: aborter.signal });
    opening.catch(() => {});
  },
  opened: async () => {
    await opening;
  },
  abort: () => aborter.abort(),
  create: (volume, options) => engine.volumes.get(volume).createSnapshot(options),
  /** Begins to make a group; `abort` ends that, `grouped` waits for its end. */
  group: (members, how) => {
    aborter = new AbortController();
    opening = engine.createSnapshots(members, { signal: aborter.signal, ...how });
    opening.catch(() => {});
  },
  grouped: () => opening,
  exports: (volume) => engine.volumes.get(volume).exports.map(({ name }) => name),
  drop: (volume, name) => engine.volumes.get(volume).dropSnapshot(name),
  grow: (volume, name) => engine.volumes.get(volume).growSnapshot(name),
  closeVolume: (volume) => engine.volumes.get(volume).close(),
  close: () => engine.close(),
  stats: () => engine.stats(),
};

process.on("message", ({ id, order, argumentList }) => {
  Promise.resolve()
    .then(() => orders[order](...argumentList))
    .then(
      (value) => process.send({ id, value }),
      (error) => process.send({ id, error: String(error), name: error?.name }),
    );
});

// The test is gone.
process.on("disconnect", () => process.exit());
