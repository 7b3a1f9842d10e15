/**
 * Which thread a profile is of: profilers number threads, they do not name them. The scripts that were seen running tell.
 */
const WORKERS = ["export-worker", "copy-worker", "metadata-worker", "opening-worker"];

/** "main", or the worker's entry; `frames`: URLs or names of functions with their files. */
export function roleOf(frames: Iterable<string>): string {
  for (const frame of frames) {
    const worker = WORKERS.find((name) => frame.includes(`/workers/${name}.js`));
    if (worker !== undefined) return worker;
  }
  return "main";
}
