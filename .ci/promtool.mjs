/**
 * promtool for the tests of the rules for alerts: the one program out of Debian's package of Prometheus, which installed whole would bring a server that
 * runs at once.
 *
 *   apt-get download ─▶ .ci/promtool/unfinished/*.deb ─▶ usr/bin/promtool ─▶ .ci/promtool/promtool        20 MB are loaded, 48 MB are kept
 *
 * It takes no root but where apt-get knows no packages yet. A promtool that is installed is used as it is.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * @param {string} root of the check-out
 * @param {{ say: (line: string) => void, run: (command: string, args: string[], options: object) => number }} by
 * @returns {string | undefined} what was wrong
 */
export function setupPromtool(root, { say, run }) {
  const folder = join(root, ".ci/promtool");
  if (existsSync(join(folder, "promtool"))) return undefined;
  if (spawnSync("promtool", ["--version"]).status === 0) return undefined;
  if (spawnSync("apt-get", ["--version"]).status !== 0) return "no promtool here, and no apt-get to bring it";
  say("bringing promtool (20 MB)");
  const unfinished = join(folder, "unfinished");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  // As root apt-get would load as another user, who must not write here, and say so.
  const download = ["download", "-q", "-o", "APT::Sandbox::User=root", "prometheus"];
  const at = { cwd: unfinished };
  if (run("apt-get", download, at) !== 0) {
    if (process.getuid?.() !== 0) return "apt-get could not bring promtool";
    run("apt-get", ["update", "-q"], at);
    if (run("apt-get", download, at) !== 0) return "apt-get could not bring promtool";
  }
  const [archive] = readdirSync(unfinished).filter((name) => name.endsWith(".deb"));
  if (archive === undefined || run("dpkg-deb", ["--extract", archive, "."], at) !== 0)
    return "the package of Prometheus could not be unpacked";
  renameSync(join(unfinished, "usr/bin/promtool"), join(folder, "promtool"));
  rmSync(unfinished, { recursive: true });
  return undefined;
}
