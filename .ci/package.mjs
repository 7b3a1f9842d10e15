#!/usr/bin/env node
/**
 * What `npm pack` and `npm publish` need to have been built, also in a fresh clone: dist/ and the addon as a prebuilt binary. npm calls it
 * before (`prepack`) and after (`postpack`, with --clean).
 *
 *   set-up ─▶ native-bindings/build/Release/snapring.node ─▶ prebuilds/linux-x64/snapring.glibc.node ─▶ (npm packs) ─▶ prebuilds/ goes
 *
 * The prebuilt addon is a copy, because the one in build/ is a hard link to an object beside it, which npm packs as a link to a file that
 * is not in the package: nothing is there after unpacking. It goes again so that a check-out never runs on an old one. Without an addon, or
 * with one that needs liburing where it runs, or that was built without the linker's protections, no package is made.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { orOneLine, ROOT, SetupError, setup } from "./setup.mjs";

const BUILT = join(ROOT, "native-bindings/build/Release/snapring.node");
const PREBUILDS = join(ROOT, "prebuilds");

function prepare() {
  rmSync(PREBUILDS, { recursive: true, force: true });
  setup({ tests: false });
  if (!existsSync(BUILT)) throw new SetupError("a package needs the native addon, which could not be built");
  const folder = join(PREBUILDS, `${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  const target = join(folder, `snapring.${libcName()}.node`);
  copyFileSync(BUILT, target);
  const strip = spawnSync("strip", ["--strip-unneeded", target], { encoding: "utf8" });
  if (strip.status !== 0) throw new SetupError(`strip failed: ${strip.error ?? strip.stderr}`);
  const needed = spawnSync("readelf", ["--dynamic", target], { encoding: "utf8" });
  if (needed.status !== 0) throw new SetupError(`readelf failed: ${needed.error ?? needed.stderr}`);
  if (needed.stdout.includes("liburing")) {
    throw new SetupError("the addon needs liburing where it runs: install its static library (liburing.a)");
  }
  if (!/\bNOW\b/.test(needed.stdout)) throw new SetupError("the addon was linked without -z now: see binding.gyp");
}

/** As device/native-places.ts looks for it. */
function libcName() {
  return /\/(ld-musl-|libc\.musl-)/.test(readFileSync("/proc/self/maps", "utf8")) ? "musl" : "glibc";
}

if (process.argv.includes("--clean")) rmSync(PREBUILDS, { recursive: true, force: true });
else orOneLine(prepare);
