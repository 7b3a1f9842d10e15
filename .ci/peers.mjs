/**
 * Clients and servers of a newer Debian, for the bench and the end-to-end tests: `npm run setup -- --peers`.
 *
 *   .ci/peers/debian13/        a system of its own (debootstrap): two minutes, 330 MB, kept
 *   .ci/peers/bin/NAME         runs NAME of it
 *
 * The programs run in the world around them, not in a root of their own, so that paths mean the same and nobody has to be root: each is started
 * by the loader of its system, which takes the libraries from there. nbdkit has the folder of its plugins compiled in, so these are named by path.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SUITE = "trixie";
const PACKAGES = ["qemu-utils", "qemu-system-common", "nbdkit", "libnbd-bin", "python3-libnbd"];
const PROGRAMS = [
  "qemu-img",
  "qemu-io",
  "qemu-nbd",
  "qemu-storage-daemon",
  "nbdkit",
  "nbdinfo",
  "nbdcopy",
  "nbddump",
  "nbdfuse",
  "python3",
];

/**
 * @param {string} root of the check-out
 * @param {{ say: (line: string) => void, run: (command: string, args: string[], options: object) => number }} by
 * @returns {string | undefined} what was wrong
 */
export function setupPeers(root, { say, run }) {
  const folder = join(root, ".ci/peers");
  const stamp = `${SUITE} ${process.arch} ${PACKAGES.join(" ")}\n`;
  const stampFile = join(folder, "stamp");
  const system = join(folder, "debian13");
  if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== stamp) {
    if (process.getuid?.() !== 0) return "the newer clients and servers need root to be unpacked (debootstrap)";
    say("installing clients and servers of Debian 13 (two minutes, 330 MB)");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const unfinished = `${system}.unfinished`;
    // Its thousand lines are for whoever asks why it failed.
    const log = join(folder, "debootstrap.log");
    const line = 'exec debootstrap --variant=minbase "--include=$1" "$2" "$3" > "$4" 2>&1';
    const status = run("sh", ["-c", line, "sh", PACKAGES.join(","), SUITE, unfinished, log], {});
    if (status !== 0) return `debootstrap failed: see ${log}`;
    renameSync(unfinished, system);
  }
  writePrograms(folder, system);
  writeFileSync(stampFile, stamp);
  return undefined;
}

/** Always anew: the check-out may have moved. @param {string} folder @param {string} system */
function writePrograms(folder, system) {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  for (const name of PROGRAMS) {
    const path = join(bin, name);
    writeFileSync(path, programText(name, system));
    chmodSync(path, 0o755);
  }
}

/** @param {string} name @param {string} system */
function programText(name, system) {
  return `#!/bin/sh
system=${quoted(system)}
set -- ${name} "$@"
for libraries in "$system"/usr/lib/*-linux-gnu; do :; done
for loader in "$libraries"/ld-linux-*.so.*; do :; done
${name === "nbdkit" ? NBDKIT : ""}${name === "python3" ? 'export PYTHONHOME="$system/usr"\n' : ""}shift
exec "$loader" --argv0 ${name} --library-path "$libraries" "$system/usr/bin/${name}" "$@"
`;
}

/** Turns the names of plugins and filters into paths; the words are rotated once around. */
const NBDKIT = `n=$#
while [ "$n" -gt 0 ]; do
  word=$1
  shift
  plugin=$libraries/nbdkit/plugins/nbdkit-$word-plugin.so
  filter=$libraries/nbdkit/filters/nbdkit-\${word#--filter=}-filter.so
  case $word in
    --filter=*) if [ -f "$filter" ]; then word=--filter=$filter; fi ;;
    *) if [ -f "$plugin" ]; then word=$plugin; fi ;;
  esac
  set -- "$@" "$word"
  n=$((n - 1))
done
`;

/** For a shell. @param {string} path */
function quoted(path) {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
