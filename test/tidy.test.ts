/**
 * What a machine can check about the source, so that nobody has to: who may import whom, what the dialect bans, the walls on
 * length, files that nothing uses, essays at the top, words that do not belong here, and the linter. What the rules of docs/spec are held to is in
 * test/tidy/rules.test.ts.
 *
 * It reads the source as text. A rule that needs a parser is biome's (biome.json), one that needs types is tsc's (test/tsconfig.json); the last
 * tests run the two.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { filesBelow, isText, ROOT } from "./tidy/repository.ts";

/** Who may import whom (docs/ARCHITECTURE.md). A layer may always import itself. */
const LAYERS: Readonly<Record<string, readonly string[] | "anything">> = {
  "src/base": [],
  "src/format": ["src/base"],
  "src/core": ["src/base", "src/format"],
  "src/table": ["src/base"],
  "src/ring": ["src/base"],
  "src/device": ["src/base", "src/ring"],
  "src/register": ["src/base", "src/format", "src/device"],
  "src/nbd/wire": ["src/base"],
  "src/offline": ["src/base", "src/format", "src/core", "src/device", "src/register"],
  "src/opening": ["src/base", "src/format", "src/core", "src/table", "src/ring", "src/device", "src/register"],
  "src/engine": [
    "src/base",
    "src/format",
    "src/core",
    "src/table",
    "src/ring",
    "src/device",
    "src/register",
    "src/opening",
  ],
  "src/daemon": ["src/base", "src/device", "src/engine", "src/index.ts"],
  "src/control": ["src/base", "src/engine", "src/daemon"],
  "src/cli": "anything",
  "src/index.ts": ["src/base", "src/engine"],
  workers: ["src/base", "src/ring", "src/table", "src/device", "src/nbd/wire", "src/opening"],
  bench: "anything",
};

/** In these folders no file imports itself by way of others, not even a type: whoever reads them can begin at the bottom. */
const WITHOUT_CIRCLES = ["src/core", "src/engine", "src/daemon", "workers"];

/** Where a program or thread begins; the thread entries are found by the names that the engine starts them by. */
const ENTRIES = ["src/index.ts", "src/cli/main.ts"];

const FILE_LINES_MAX = 400;
const ESSAY_LETTERS_MIN = 45;

const sources = ["src", "workers", "bench"].flatMap(filesBelow).filter((path) => path.endsWith(".ts"));
const tests = filesBelow("test").filter((path) => path.endsWith(".ts"));
const text = new Map([...sources, ...tests].map((path) => [path, readFileSync(join(ROOT, path), "utf8")]));

describe("layers", () => {
  it("every source file belongs to a layer", () => {
    expect(sources.filter((path) => layerOf(path) === undefined)).toEqual([]);
  });

  it("imports go only where the layer table allows", () => {
    const wrong = [];
    for (const path of sources) {
      const layer = layerOf(path) ?? "";
      const allowed = LAYERS[layer];
      if (allowed === "anything") continue;
      for (const target of importsOf(path)) {
        const other = layerOf(target) ?? target;
        if (other !== layer && !allowed?.includes(other)) wrong.push(`${path} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each(WITHOUT_CIRCLES)("no file of %s imports itself by way of others", (folder) => {
    expect(circlesIn(inFolder(folder))).toEqual([]);
  });

  it("relative imports name a file that exists, with its .ts ending", () => {
    const wrong = [];
    for (const path of text.keys()) {
      for (const target of importsOf(path)) if (!existsSync(join(ROOT, target))) wrong.push(`${path}: ${target}`);
    }
    expect(wrong).toEqual([]);
  });

  it("decisions are pure: no node module, clock, random, promise, timer or Buffer in core and format", () => {
    const impure =
      /from "node:|\bDate\b|\bMath\.random\b|\bPromise\b|\basync\b|\bawait\b|\bset(Timeout|Interval|Immediate)\b|\bBuffer\b|\bperformance\b|\bprocess\b/;
    expect(matches(inLayers("src/core", "src/format"), impure)).toEqual([]);
  });

  it("main of a volume waits for no device, lock or program, and reads no store: opening threads do", () => {
    const waiting =
      /\bAtomics\.wait\(|\bspawnSync\(|\b(openFile|lockDevice|lockAs|openDevice|reopenBuffered|markInvalid|abandonAll)\(|\bDeviceFile\.open\(|\bnew (StoreLoader|StoreReading|ReadAhead)\(|\bloadSettled\(/;
    expect(matches(inLayers("src/engine"), waiting)).toEqual([]);
  });

  it("the hot path's layers use no promise", () => {
    expect(matches(inLayers("src/table", "src/ring", "src/nbd/wire"), /\bPromise\b|(?<!#)\b(async|await)\b/)).toEqual(
      [],
    );
  });
});

describe("dialect", () => {
  it("has no any, enum, namespace or default export", () => {
    const banned = /(:|\bas|<) any\b|^\s*(export )?(declare )?(const )?enum |^\s*(export )?namespace |^export default /;
    expect(matches(sources, banned)).toEqual([]);
  });

  it("keeps bigint in base/u64.ts", () => {
    expect(
      matches(
        sources.filter((path) => path !== "src/base/u64.ts"),
        /\b[0-9]+n\b|\bBigInt\b|\bbigint\b/,
      ),
    ).toEqual([]);
  });

  it("prints through the terminal of the command line only", () => {
    expect(
      matches(
        sources.filter((path) => !path.startsWith("bench/")),
        /\bconsole\./,
      ),
    ).toEqual([]);
  });

  it("has no notes to self", () => {
    const others = tests.filter((path) => path !== "test/tidy.test.ts");
    expect(matches([...sources, ...others], /\b(TODO|FIXME|XXX|HACK)\b/, false)).toEqual([]);
  });

  it("has no focused test", () => {
    const others = tests.filter((path) => path !== "test/tidy.test.ts");
    expect(matches(others, /\b(it|test|describe)\.only\b/)).toEqual([]);
  });
});

describe("files", () => {
  it(`no source file is longer than ${FILE_LINES_MAX} lines`, () => {
    const long = sources.map((path) => [path, linesOf(path).length] as const).filter(([, n]) => n > FILE_LINES_MAX + 1);
    expect(long).toEqual([]);
  });

  it("every source file opens with an essay", () => {
    const without = sources.filter((path) => essayOf(path).replace(/[^a-z]/gi, "").length < ESSAY_LETTERS_MIN);
    expect(without).toEqual([]);
  });

  it("every source file is used by the product", () => {
    const alive = new Set([...ENTRIES, ...sources.filter((path) => path.startsWith("bench/"))]);
    for (const path of alive) {
      for (const target of importsOf(path)) alive.add(target);
      for (const entry of startedBy(path)) alive.add(entry);
    }
    // Fake devices and the like stand beside the real ones; the tests alone use them.
    const dead = sources.filter((path) => !alive.has(path) && !/(^|[-/])fake[-.]/.test(basename(path)));
    expect(dead).toEqual([]);
  });

  it("no path of one machine is in a text", () => {
    const files = [
      ...text.keys(),
      ...filesBelow(".ci"),
      ...filesBelow("native-bindings"),
      ...filesBelow("docs"),
      "README.md",
      "CHANGELOG.md",
    ];
    const machine = new RegExp(["work", "root", "home"].map((folder) => `(^|[\\s"'\`(=])/${folder}/\\w`).join("|"));
    const wrong = files.filter((path) => isText(path) && machine.test(readFileSync(join(ROOT, path), "utf8")));
    expect(wrong).toEqual([]);
  });
});

describe("documents", () => {
  it("links in the README lead to files that exist", () => {
    const links = [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/\]\(([^)#:]+)(#[^)]*)?\)/g)].map(
      (m) => m[1],
    );
    expect(links.filter((link) => !existsSync(join(ROOT, link)))).toEqual([]);
  });

  it("each row of SECURITY.md names a test, and each test that it names exists", () => {
    const document = readFileSync(join(ROOT, "docs/SECURITY.md"), "utf8");
    const named = /`(test\/[\w./-]+)`: ((?:"[^"]+"(?:; (?=")|))+)/g;
    const wrong = [...document.matchAll(named)].flatMap(([, path, names]) =>
      [...names.matchAll(/"([^"]+)"/g)]
        .filter(([, name]) => text.get(path)?.includes(name) !== true)
        .map(([, name]) => `${path}: ${name}`),
    );
    const rows = document
      .split("\n")
      .filter((line) => /^\|(?: [^|]+\|){3}$/.test(line) && !/\| (test|---) \|$/.test(line));
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.filter((row) => row.match(named) === null)).toEqual([]);
    expect(wrong).toEqual([]);
  });
});

describe("biome", () => {
  it("finds nothing", () => {
    const bin = join(ROOT, "node_modules/@biomejs/biome/bin/biome");
    const check = spawnSync(process.execPath, [bin, "check", "--max-diagnostics=50", "--colors=off"], {
      cwd: ROOT,
      encoding: "utf8",
    });
    expect(check.status, check.stdout + check.stderr).toBe(0);
  });
});

describe("types", () => {
  // Sources and tests in one run, which the next one goes on from: what the set-up compiles has no tests in it.
  it("are right, in the tests as well", { timeout: 10 * 60_000 }, () => {
    const bin = join(ROOT, "node_modules/typescript/bin/tsc");
    const check = spawnSync(process.execPath, [bin, "-p", "test/tsconfig.json"], { cwd: ROOT, encoding: "utf8" });
    expect(check.status, check.stdout + check.stderr).toBe(0);
  });
});

/** The layer of a path: its longest prefix in the table. */
function layerOf(path: string): string | undefined {
  const layers = Object.keys(LAYERS).filter((layer) => path === layer || path.startsWith(`${layer}/`));
  return layers.sort((a, b) => b.length - a.length)[0];
}

function inLayers(...layers: string[]): string[] {
  return sources.filter((path) => layers.includes(layerOf(path) ?? ""));
}

function inFolder(folder: string): string[] {
  return sources.filter((path) => path.startsWith(`${folder}/`));
}

/** Ways that come back to where they began: for each file from which there is one, the first that a walk along its imports meets. */
function circlesIn(paths: readonly string[]): string[] {
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(" → "));
    if (done.has(path)) return;
    done.add(path);
    for (const target of importsOf(path)) if (paths.includes(target)) walk(target, [...way, path]);
  };
  for (const path of paths) walk(path, []);
  return circles;
}

/** The relative imports of a file, as paths from the root; packages and node's own modules are left out. */
function importsOf(path: string): string[] {
  const specifiers = (text.get(path) ?? "").matchAll(
    /^(?:import|export)\b[^"';]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm,
  );
  return [...specifiers]
    .map((m) => m[1] ?? m[2] ?? m[3])
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(join(dirname(path), specifier)));
}

/** Thread entries whose built names (`…/entry.js`) a file mentions in a string. */
function startedBy(path: string): string[] {
  const names = [...(text.get(path) ?? "").matchAll(/["'`]([\w./-]+)\.(?:js|ts)["'`]/g)].map(
    (m) => `/${m[1].replace(/^(\.\.?\/)+/, "")}.ts`,
  );
  return sources.filter((source) => source.startsWith("workers/") && names.some((name) => `/${source}`.endsWith(name)));
}

/** `path:line: text` of the lines that match; comments do not count unless asked for. */
function matches(paths: readonly string[], pattern: RegExp, skipComments = true): string[] {
  return paths.flatMap((path) =>
    linesOf(path)
      .map((line, i) => [skipComments ? line.replace(/\/\/.*|^\s*(\/\*\*?|\*).*/, "") : line, i + 1] as const)
      .filter(([line]) => pattern.test(line))
      .map(([line, number]) => `${path}:${number}: ${line.trim()}`),
  );
}

function linesOf(path: string): string[] {
  return (text.get(path) ?? "").split("\n");
}

function essayOf(path: string): string {
  return /^(?:#![^\n]*\n)?\/\*\*([\s\S]*?)\*\//.exec(text.get(path) ?? "")?.[1] ?? "";
}
