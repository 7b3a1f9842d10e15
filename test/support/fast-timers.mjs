/**
 * Preloaded with --import: timers of five seconds and more go off fifty times earlier, so that a test need not wait for a minute.
 */
const real = globalThis.setTimeout;
const LONG_MS = 5000;
const FASTER = 50;

globalThis.setTimeout = Object.assign(
  (callback, milliseconds, ...rest) =>
    real(callback, milliseconds >= LONG_MS ? milliseconds / FASTER : milliseconds, ...rest),
  real,
);
