/**
 * The rules of docs/spec and those who cite them: every number has a text, every text has a test, and the documents that lead a newcomer
 * name files that are there.
 *
 * A rule is a row of a table (`| S-12 | …`) or a point (`- **C-24** …`). It is cited wherever its number stands; a range (S-10…S-14) cites
 * its ends. A test names a rule in its title or in a comment.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesBelow, isText, ROOT, textOf } from "./repository.ts";

/** Where the rules of each letter stand. */
const SPECS: Readonly<Record<string, string>> = {
  S: "docs/spec/store.md",
  E: "docs/spec/engine.md",
  C: "docs/spec/protocol.md",
};

/** Rules that no test can name, each with the reason. */
const WITHOUT_TEST: Readonly<Record<string, string>> = {};

const CITATION = /\b([SEC]-\d+)\b/g;
const RULE = /^(?:\| |- \*\*)([SEC]-\d+)(?: \||\*\*)/gm;

const cited = citations([
  ...["src", "workers", "native-bindings/src", "test", "bench", "docs"].flatMap(filesBelow),
  "README.md",
  "CHANGELOG.md",
]);
const rules = Object.values(SPECS).flatMap((path) => [...textOf(path).matchAll(RULE)].map(([, rule]) => rule));

describe("rules", () => {
  it("have one text each, in the file of their letter", () => {
    const twice = rules.filter((rule, i) => rules.indexOf(rule) !== i);
    const elsewhere = Object.entries(SPECS).flatMap(([letter, path]) =>
      [...textOf(path).matchAll(RULE)].map(([, rule]) => rule).filter((rule) => !rule.startsWith(letter)),
    );
    expect({ twice, elsewhere }).toEqual({ twice: [], elsewhere: [] });
    expect(rules.length).toBeGreaterThan(120);
  });

  it("that are cited have a text in docs/spec", () => {
    const unknown = [...cited].filter(([rule]) => !rules.includes(rule));
    expect(unknown.map(([rule, places]) => `${rule}: ${places.join(", ")}`)).toEqual([]);
  });

  it("are each named by a test, or listed here with the reason why not", () => {
    const named = new Set(rules.filter((rule) => cited.get(rule)?.some(isTest) === true));
    expect(rules.filter((rule) => !named.has(rule) && WITHOUT_TEST[rule] === undefined)).toEqual([]);
    expect(Object.keys(WITHOUT_TEST).filter((rule) => named.has(rule) || !rules.includes(rule))).toEqual([]);
  });

  it("are in the package, and its first declaration says where", () => {
    expect((JSON.parse(textOf("package.json")) as { files: string[] }).files).toContain("docs");
    expect(textOf("src/index.ts")).toContain("rows of docs/spec");
  });

  it("stand behind words in comments: none consists of numbers only", () => {
    const bare =
      /^\s*(?:\/\/|\/\*\*?|\*)[\s,.:;…]*(?:(?:[SEC]-\d+(?:\.\d+)?)[\s,.:;…]*(?:and|see there)?[\s,.:;…]*)+(?:\*\/)?$/;
    const wrong = [...cited.values()]
      .flat()
      .filter((place, i, all) => all.indexOf(place) === i && place.endsWith(".ts"))
      .flatMap((path) =>
        textOf(path)
          .split("\n")
          .flatMap((line, i) => (bare.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
      );
    expect(wrong).toEqual([]);
  });
});

describe("documents", () => {
  it("of the rules and the architecture name files that exist", () => {
    const paths = /`((?:src|workers|native-bindings|test|bench|docs|commonjs)\/[\w./-]+)`/g;
    const documents = ["docs/ARCHITECTURE.md", ...filesBelow("docs/spec").filter((path) => path.endsWith(".md"))];
    const wrong = documents.flatMap((document) =>
      [...textOf(document).matchAll(paths)].map(([, path]) => path).filter((path) => !existsSync(join(ROOT, path))),
    );
    expect(wrong).toEqual([]);
  });

  it("say of each order that must be kept which of the named tests name its rules", () => {
    const wrong = rowsOf("What must never be reordered").flatMap(([order, , rulesOfRow, , testsOfRow]) => {
      const named = [...testsOfRow.matchAll(/`(test\/[^`]+)`/g)].map(([, path]) => textOf(path)).join();
      const unproven = rulesOfRow.split(" ").filter((rule) => !new RegExp(`\\b${rule}\\b`).test(named));
      return unproven.map((rule) => `${rule}: ${order}`);
    });
    expect(wrong).toEqual([]);
  });

  it("name a file and a test in each row of an order or a failure", () => {
    const rows = ["What must never be reordered", "What happens when I/O fails"].flatMap(rowsOf);
    expect(rows.length).toBeGreaterThan(40);
    expect(rows.filter(([, , , file, test]) => !/`(src|workers)\//.test(file) || !/`test\//.test(test))).toEqual([]);
  });

  it("of the rules link to files that exist", () => {
    const wrong = filesBelow("docs/spec").flatMap((document) =>
      [...(document.endsWith(".md") ? textOf(document) : "").matchAll(/\]\(([\w./-]+)(?:#[^)]*)?\)/g)]
        .map(([, link]) => link)
        .filter((link) => !existsSync(join(ROOT, "docs/spec", link))),
    );
    expect(wrong).toEqual([]);
  });
});

/** The rows of the table below a heading of ARCHITECTURE.md, as cells. */
function rowsOf(heading: string): string[][] {
  const section = textOf("docs/ARCHITECTURE.md").split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(2).map((line) => line.slice(2, -2).split(" | "));
}

/** The tests of the rules themselves name all of them and prove none. */
function isTest(path: string): boolean {
  return path.startsWith("test/") && !path.startsWith("test/tidy");
}

/** Of each number the files in which it stands. */
function citations(paths: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const path of paths.filter(isText)) {
    for (const rule of new Set([...textOf(path).matchAll(CITATION)].map(([, rule]) => rule))) {
      const places = found.get(rule);
      if (places === undefined) found.set(rule, [path]);
      else places.push(path);
    }
  }
  return found;
}
