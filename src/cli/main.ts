#!/usr/bin/env node
/**
 * The entry of the command `snapring`: signals first, then everything else is loaded.
 *
 * It is tiny on purpose. Loading the commands takes a tenth of a second, and a signal that comes meanwhile must find its handler.
 */
import { holdSignals } from "./signals.ts";

holdSignals(process.argv[2]);

const { runProcess } = await import("./run-process.ts");
await runProcess(process.argv.slice(2));
