/**
 * node-gyp, which builds addons: the one that npm brings along, so that nobody has to install it.
 *
 *   $npm_config_node_gyp      npm says so itself to what it runs
 *   npm's own                 beside npm-cli.js: of the npm that runs us (npx), else of the one on PATH
 */
import { existsSync, realpathSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";

/** The path of node-gyp's script; undefined where there is no npm either. */
export function findNodeGyp(): string | undefined {
  const told = process.env["npm_config_node_gyp"];
  const npm = [process.env["npm_execpath"], ...onPath("npm")].filter((path) => path !== undefined && existsSync(path));
  const own = npm.map((path) =>
    join(dirname(realpathSync(path as string)), "../node_modules/node-gyp/bin/node-gyp.js"),
  );
  return [told, ...own].find((path) => path !== undefined && existsSync(path));
}

/** The headers that came with this node, where they did: else node-gyp downloads them. */
export function headersOption(): string[] {
  const prefix = resolve(dirname(process.execPath), "..");
  const names = ["node_api.h", "common.gypi", "config.gypi"];
  return names.every((name) => existsSync(join(prefix, "include/node", name))) ? [`--nodedir=${prefix}`] : [];
}

function onPath(name: string): string[] {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name));
}
