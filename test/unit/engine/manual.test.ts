/** The types that a program sees are its manual: everything exported, and each of its members, is described, in words that need no other document. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../../..");

const FILES = [
  "src/base/errno.ts",
  ...[
    "channel",
    "client-limits",
    "engine",
    "merges",
    "option-error",
    "stats",
    "volume",
    "volume-events",
    "volume-options",
  ].map((name) => `src/engine/${name}.ts`),
];

type Described = ts.InterfaceDeclaration | ts.ClassDeclaration | ts.TypeAliasDeclaration | ts.FunctionDeclaration;

/** Every declaration that src/index.ts exports, by its name, with the text of its comments; members as `Type.member`. */
function describeExports(): Map<string, string> {
  const index = readFileSync(join(ROOT, "src/index.ts"), "utf8");
  const described = new Map<string, string>();
  for (const file of FILES) {
    const text = readFileSync(join(ROOT, file), "utf8");
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
    for (const statement of source.statements) {
      const { name } = statement as Described;
      if (name === undefined || !new RegExp(`\\b${name.text}\\b`).test(index)) continue;
      described.set(name.text, commentOf(statement));
      if (!ts.isInterfaceDeclaration(statement) && !ts.isClassDeclaration(statement)) continue;
      for (const member of statement.members) {
        const key = member.name?.getText() ?? "constructor";
        if (!/^(#.*|name|constructor)$/.test(key)) described.set(`${name.text}.${key}`, commentOf(member));
      }
    }
  }
  return described;
}

function commentOf(node: ts.Node): string {
  return ts
    .getJSDocCommentsAndTags(node)
    .map((comment) => comment.getText())
    .join("\n");
}

it("each export and member has a description, and none is a number of a rule", () => {
  const described = describeExports();
  expect(described.size).toBeGreaterThan(100);
  const without = [...described].filter(([, text]) => text === "").map(([name]) => name);
  expect(without).toEqual([]);
  const coded = [...described].filter(([, text]) => /\b[SEC]-\d+/.test(text)).map(([name]) => name);
  expect(coded).toEqual([]);
});
