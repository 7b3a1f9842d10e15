/**
 * Loads the library when a command needs it: the engine's threads and addon cost the other commands nothing.
 *
 * A function of its own, because tsc does not rewrite the ending of a dynamic import inside a block with `using`.
 */
export function loadLibrary(): Promise<typeof import("../index.ts")> {
  return import("../index.ts");
}

/** The daemon, for the command that runs it. */
export function loadDaemon(): Promise<typeof import("../daemon/daemon.ts")> {
  return import("../daemon/daemon.ts");
}

/** Its HTTP server. */
export function loadControl(): Promise<typeof import("../control/control-server.ts")> {
  return import("../control/control-server.ts");
}

/** Its log, and what it says to systemd. */
export function loadSurroundings(): Promise<typeof import("./daemon-surroundings.ts")> {
  return import("./daemon-surroundings.ts");
}
