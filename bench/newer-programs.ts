/**
 * Where `npm run setup -- --peers` puts clients and servers of a newer Debian, under their own names (.ci/peers.mjs).
 */
import { fileURLToPath } from "node:url";

/** Behind the name of a server that is measured. */
export const NEWER_SUFFIX = "-debian13";

/** From the sources as from dist/. */
const ROOT = import.meta.url.includes("/dist/bench/") ? "../../" : "../";
const FOLDER = fileURLToPath(new URL(`${ROOT}.ci/peers/bin/`, import.meta.url));

/** The path of such a program, whether it is there or not. */
export function newerProgram(name: string): string {
  return FOLDER + name;
}
