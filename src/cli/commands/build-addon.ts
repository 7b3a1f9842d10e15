/**
 * `snapring build-addon`: builds the native addon of the installed package, where the one that came with it does not fit (another
 * processor, musl, an old C library).
 *
 * A command and not an install script, so that installing never runs or needs a compiler. What it builds lies in the package's folder, is
 * found first (device/native-places.ts), and goes when the package is installed anew.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { SnapringError } from "../../base/errno.ts";
import { loadNative, probeUring } from "../../device/native.ts";
import { systemError } from "../../device/system-error.ts";
import { findNodeGyp, headersOption } from "../node-gyp.ts";
import { packageFolder } from "../package-folder.ts";
import type { Terminal } from "../terminal.ts";

const HELP = `
It needs npm, Python 3, make, a C++17 compiler and the headers of liburing:
  Debian, Ubuntu   apt-get install g++ make python3 liburing-dev
  Fedora           dnf install gcc-c++ make python3 liburing-devel
  Alpine           apk add build-base python3 linux-headers liburing-dev

Examples:
  npx snapring build-addon`;

const LAST_LINES = 20;
const OUTPUT_MAX = 64 * 2 ** 20;

export function buildAddonCommand(terminal: Terminal): Command {
  return new Command("build-addon")
    .description("build the native addon on this machine, where the one in the package does not fit")
    .addHelpText("after", HELP)
    .action(() => buildAddon(terminal));
}

function buildAddon(terminal: Terminal): void {
  const folder = join(packageFolder() ?? "", "native-bindings");
  if (!existsSync(join(folder, "binding.gyp"))) {
    throw new SnapringError("ENOENT", `the addon's sources are not in ${folder}`, { hint: "install the package anew" });
  }
  const nodeGyp = findNodeGyp();
  if (nodeGyp === undefined) throw new SnapringError("ENOENT", "node-gyp is not here", { hint: "install npm" });
  terminal.err("building, which takes half a minute …\n");
  refuseReadOnly(folder);
  build(terminal, folder, nodeGyp);
  const { native, reason } = loadNative();
  if (native === undefined) throw new SnapringError("EIO", reason);
  const probe = probeUring();
  terminal.out(`built ${addonIn(folder)}: ${probe.works ? "io_uring works" : probe.reason}\n`);
}

function addonIn(folder: string): string {
  return join(folder, "build/Release/snapring.node");
}

/** Said before half a minute of compiling. */
function refuseReadOnly(folder: string): void {
  try {
    rmSync(mkdtempSync(join(folder, ".build-")), { recursive: true });
  } catch (error) {
    throw systemError(error, `cannot build in ${folder}`);
  }
}

function build(terminal: Terminal, folder: string, nodeGyp: string): void {
  const args = [nodeGyp, "rebuild", "-C", folder, "--jobs", "max", ...headersOption()];
  const { status, error, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    maxBuffer: OUTPUT_MAX,
  });
  if (status !== 0 || !existsSync(addonIn(folder))) {
    const said = `${error?.message ?? ""}${stdout ?? ""}${stderr ?? ""}`.trimEnd().split("\n");
    terminal.err(`${said.slice(-LAST_LINES).join("\n")}\n`);
    throw new SnapringError("EIO", "the addon could not be built", { hint: "see snapring build-addon --help" });
  }
  keepAddonOnly(folder);
}

/** Objects, makefiles and their paths are of no use to anybody. */
function keepAddonOnly(folder: string): void {
  const aside = mkdtempSync(join(folder, ".build-"));
  renameSync(join(folder, "build"), join(aside, "build"));
  mkdirSync(join(folder, "build/Release"), { recursive: true });
  renameSync(join(aside, "build/Release/snapring.node"), addonIn(folder));
  rmSync(aside, { recursive: true });
}
