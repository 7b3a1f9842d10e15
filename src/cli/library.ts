/**
 * Loads the library when a command needs it: the engine's threads and addon cost the other commands nothing.
 *
 * A function of its own, because tsc does not rewrite the ending of a dynamic import inside a block with `using`.
 */
export function loadLibrary(): Promise<typeof import("../index.ts")> {
  return import("../index.ts");
}
