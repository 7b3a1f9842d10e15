/**
 * Ctrl-C and SIGTERM as an abort signal: programs under way are ended, servers stopped, files removed, results kept. A second one ends
 * the process at once.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
}
