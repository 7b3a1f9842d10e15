/**
 * The package as a user gets it: packed from a clean clone, installed into an empty folder without install scripts.
 *
 *   files that git knows or would add ─▶ clone/ (a repository of its own) ─▶ npm pack ─▶ .tgz ─▶ npm ci --ignore-scripts ─▶ consumer/
 *
 * Nothing that git ignores is in the clone, so what a package needs must be made by `npm pack` itself. Two things are lent to the clone, to
 * save half a minute: node_modules, and the addon, by the hard link that node-gyp leaves. The consumer's own dependencies are links to
 * those of the check-out, so that no registry is asked.
 */
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { runOk } from "./run-command.ts";

export const ROOT: string = join(import.meta.dirname, "../..");

/** Packs; returns the path of the archive. `clone` is left as `npm pack` has left it. */
export async function packCleanClone(clone: string, target: string): Promise<string> {
  const git = (folder: string, ...args: readonly string[]): Promise<string> => runOk("git", "-C", folder, ...args);
  const files = await git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard");
  for (const path of files.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)))) {
    mkdirSync(dirname(join(clone, path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(clone, path));
  }
  symlinkSync(join(ROOT, "node_modules"), join(clone, "node_modules"));
  await git(clone, "init", "--quiet");
  await git(clone, "add", "--all");
  lendAddon(join(ROOT, "native-bindings/build"), join(clone, "native-bindings/build"));
  mkdirSync(target, { recursive: true });
  await runOk("npm", "--prefix", clone, "pack", clone, "--pack-destination", target);
  return join(target, readdirSync(target).find((name) => name.endsWith(".tgz")) ?? "");
}

function lendAddon(from: string, to: string): void {
  mkdirSync(join(to, "Release/obj.target"), { recursive: true });
  copyFileSync(join(from, "Release/snapring.node"), join(to, "Release/snapring.node"));
  linkSync(join(to, "Release/snapring.node"), join(to, "Release/obj.target/snapring.node"));
  copyFileSync(join(from, ".snapring-stamp"), join(to, ".snapring-stamp"));
}

interface PackageJson {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bin: object;
}

/** Installs the archive into an empty folder, as `npm install ARCHIVE --ignore-scripts` does. */
export async function installInto(consumer: string, archive: string): Promise<void> {
  const own = readJson(join(ROOT, "package.json"));
  const resolved = `file:${archive}`;
  const packages: Record<string, object> = {
    "": { dependencies: { snapring: resolved } },
    "node_modules/snapring": { version: own.version, resolved, dependencies: own.dependencies, bin: own.bin },
  };
  mkdirSync(consumer, { recursive: true });
  for (const name of Object.keys(own.dependencies)) {
    const target = join(ROOT, "node_modules", name);
    const path = relative(realpathSync(consumer), realpathSync(target));
    packages[`node_modules/${name}`] = { resolved: path, link: true };
    packages[path] = { version: readJson(join(target, "package.json")).version };
  }
  const json = { name: "consumer", private: true, dependencies: { snapring: resolved } };
  writeFileSync(join(consumer, "package.json"), JSON.stringify(json));
  const lock = { name: "consumer", lockfileVersion: 3, requires: true, packages };
  writeFileSync(join(consumer, "package-lock.json"), JSON.stringify(lock));
  await runOk("npm", "--prefix", consumer, "ci", "--offline", "--ignore-scripts", "--no-audit", "--no-fund");
}

function readJson(path: string): PackageJson {
  return JSON.parse(readFileSync(path, "utf8")) as PackageJson;
}
