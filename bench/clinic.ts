/**
 * The parts of clinic that are used, from its own folder `.ci/clinic`: it is no dependency of snapring, and is installed when a profile is
 * made for the first time. What it exports has no types; those here are what was seen of version 13.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export const CLINIC_FOLDER: string = fileURLToPath(new URL("../../.ci/clinic", import.meta.url));

type Done = (error: Error | null | undefined) => void;

export interface ClinicDoctor {
  collect(command: readonly string[], done: (error: Error | null | undefined, folder: string) => void): void;
  visualize(folder: string, html: string, done: Done): void;
}

export interface ClinicFlame {
  visualize(folder: string, html: string, done: Done): void;
}

/** A sample of V8's tick profiler: its stack, outermost first. */
export type Tick = readonly { readonly name: string; readonly type?: string; readonly kind?: string }[];

type LogToTicks = (
  path: string,
  options: { readonly pathToNodeBinary: string; readonly collectDelay: number },
) => Promise<Tick[]>;

const require = createRequire(`${CLINIC_FOLDER}/package.json`);

export function loadDoctor(): new (settings: { readonly dest: string }) => ClinicDoctor {
  return require("@clinic/doctor");
}

export function loadFlame(): new () => ClinicFlame {
  return require("@clinic/flame");
}

/** Reads a log of `node --prof`. */
export function loadLogToTicks(): LogToTicks {
  return createRequire(require.resolve("@clinic/flame"))("0x/lib/v8-log-to-ticks");
}
