/**
 * Where the native addon may be, best first: what was built on this machine, then what came with the package.
 *
 *   native-bindings/build/Release/snapring.node          built here (`snapring build-addon`, or the set-up of a check-out)
 *   prebuilds/PLATFORM-ARCH/snapring.LIBC.node           in the package; no install script has to run for it
 *
 * One binary serves every node from 20 on, because it speaks Node-API only. The C library matters: a binary for glibc may load in a
 * process with musl, and crash there.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The package's folder, seen from src/device/ and from dist/src/device/. */
const ROOTS = ["../../", "../../../"];

/** Those that exist. Empty, too, where a bundler has put this code somewhere else. */
export function addonPlaces(): string[] {
  const here: string | undefined = import.meta.url;
  if (here === undefined) return [];
  const names = ["native-bindings/build/Release/snapring.node", prebuiltName()];
  return names
    .flatMap((name) => ROOTS.map((root) => fileURLToPath(new URL(root + name, here))))
    .filter((path) => existsSync(path));
}

function prebuiltName(): string {
  return `prebuilds/${process.platform}-${process.arch}/snapring.${libcName()}.node`;
}

/** Of this very process: which C library is mapped into it. */
function libcName(): "glibc" | "musl" {
  try {
    return /\/(ld-musl-|libc\.musl-)/.test(readFileSync("/proc/self/maps", "utf8")) ? "musl" : "glibc";
  } catch {
    return "glibc";
  }
}
