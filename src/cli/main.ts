#!/usr/bin/env node
/**
 * The entry of the command `snapring`: signals first, then everything else is loaded.
 *
 * It is tiny on purpose. Loading the commands takes a tenth of a second, and a signal that comes meanwhile must find its handler.
 */
import { holdSignals } from "./signals.ts";

holdSignals(process.argv[2]);

const loaded = await import("./run-process.ts").catch((error: NodeJS.ErrnoException) => error);
if (!(loaded instanceof Error)) await loaded.runProcess(process.argv.slice(2));
else {
  // What would say it in better words cannot be loaded.
  if (loaded.code !== "EMFILE" && loaded.code !== "ENFILE") throw loaded;
  process.stderr.write("snapring: too many open files (raise the limit on descriptors: ulimit -n)\n");
  process.exit(1);
}
