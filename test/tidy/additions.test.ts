/**
 * What whoever adds a statistic, an option, a command or a message has to think of, in docs/ARCHITECTURE.md's words: these tests tell what was
 * forgotten. What the compiler tells (a member without a value, an option without a schema) is left to it, and the sentence that
 * every member has to have is left to test/unit/engine/manual.test.ts.
 */
import { describe, expect, it } from "vitest";
import { Command } from "../../src/nbd/wire/protocol.ts";
import { ExportCounter, WorkerCounter } from "../../src/ring/counters.ts";
import { Message } from "../../src/ring/messages.ts";
import * as toMain from "../../src/ring/to-main.ts";
import * as toWorkers from "../../src/ring/to-workers.ts";
import { Operation } from "../../workers/export/request.ts";
import { Cmd } from "../support/nbd-client.ts";
import { filesBelow, textOf } from "./repository.ts";

const product = ["src", "workers"].flatMap(filesBelow).filter((path) => path.endsWith(".ts"));
const declared = { ...toMain, ...toWorkers };
const tests = filesBelow("test").filter((path) => path.endsWith(".ts") && !path.startsWith("test/tidy"));

describe("a statistic", () => {
  const counted = /export class SnapshotCounters \{([\s\S]*?)\n\}/.exec(textOf("src/core/counters.ts"))?.[1] ?? "";

  it("is looked at by a test", () => {
    const members = ["SnapshotStats", "ExportStats", "WorkerStats"].flatMap((type) =>
      membersOf("src/engine/stats.ts", type),
    );
    expect(members.length).toBeGreaterThan(40);
    expect(members.filter((name) => !isNamed(name, tests))).toEqual([]);
  });

  it("of a snapshot is counted where it happens: in the core, and not only declared", () => {
    const names = [...counted.matchAll(/^ {2}(\w+) = 0;/gm)].map(([, name]) => name);
    const core = product.filter((path) => path.startsWith("src/core/") && path !== "src/core/counters.ts");
    expect(names.length).toBeGreaterThan(4);
    expect(names.filter((name) => !isFound(new RegExp(`\\bcounters\\.${name}\\b`), core))).toEqual([]);
  });

  it("of a worker is counted by the worker", () => {
    const workers = product.filter((path) => path.startsWith("workers/"));
    for (const name of Object.keys(WorkerCounter)) {
      expect([name, isFound(new RegExp(`\\bWorkerCounter\\.${name}\\b`), workers)]).toEqual([name, true]);
    }
  });

  it("of an export has a place for each operation, and one place has one meaning", () => {
    const places = Object.values(ExportCounter);
    expect(new Set(places).size).toBe(places.length);
    const totals = Object.keys(ExportCounter).slice(0, Object.keys(Operation).length);
    expect(Object.values(Operation)).toEqual(totals.map((name) => ExportCounter[name as keyof typeof ExportCounter]));
    expect(Math.max(...Object.values(Operation))).toBeLessThan(ExportCounter.ReadBytes);
  });
});

describe("an option", () => {
  const options = ["VolumeOptions", "SnapshotOptions"].flatMap((type) =>
    membersOf("src/engine/volume-options.ts", type),
  );

  it("is given, right and wrong, by the test of the options", () => {
    expect(options.length).toBeGreaterThan(25);
    expect(options.filter((name) => !isNamed(name, ["test/unit/engine/volume-options.test.ts"]))).toEqual([]);
  });

  it("is used by somebody behind the schema that checks it", () => {
    const users = product.filter((path) => /^src\/engine\/(?!volume-options|option-schema)/.test(path));
    expect(options.filter((name) => !isNamed(name, users))).toEqual([]);
  });
});

describe("an NBD command", () => {
  // That a client leaves is a verdict; nobody executes it.
  const executed = Object.entries(Command).filter(([name]) => name !== "Disconnect");

  it.each(["src/nbd/wire/validate.ts", "workers/export/admission.ts"])("is known in %s", (path) => {
    expect(executed.filter(([name]) => !isFound(new RegExp(`\\bCommand\\.${name}\\b`), [path]))).toEqual([]);
  });

  it("is known to the tests' own client, which shares no code, and to the fuzzer's reference and grammar", () => {
    const known = new Map(Object.entries(Cmd).map(([name, number]) => [number as number, name]));
    for (const [name, number] of executed) {
      for (const path of ["test/fuzz/reference.ts", "test/fuzz/grammar.ts"])
        expect([name, path, isFound(new RegExp(`\\bCmd\\.${known.get(number)}\\b`), [path])]).toEqual([
          name,
          path,
          true,
        ]);
    }
  });

  it("has its verdicts in test/unit/nbd/validate.test.ts, by its number", () => {
    const path = "test/unit/nbd/validate.test.ts";
    expect(executed.filter(([, number]) => !isFound(new RegExp(`^const [A-Z_]+ = ${number};$`, "m"), [path]))).toEqual(
      [],
    );
  });
});

describe("a message", () => {
  const sides = product.filter((path) => /^(src\/engine|workers)\//.test(path));

  it("has a number of its own", () => {
    const numbers = Object.values(Message);
    expect(numbers.filter((number, i) => numbers.indexOf(number) !== i)).toEqual([]);
  });

  it.each(["src/engine/", "workers/"])("has a side in %s", (side) => {
    const files = product.filter((path) => path.startsWith(side));
    expect(Object.keys(Message).filter((name) => !isFound(new RegExp(`\\bMessage\\.${name}\\b`), files))).toEqual([]);
  });

  it("has its fields declared under its name, in one place", () => {
    expect(Object.keys(declared).toSorted()).toEqual(Object.keys(Message).toSorted());
  });

  it("is begun with every field that it has", () => {
    const begun = sides.flatMap((path) =>
      [...textOf(path).matchAll(/\bbegin\(Message\.(\w+), /g)].map(([, name]) => ({ path, name: name! })),
    );
    expect(begun.length).toBeGreaterThan(25);
    const unset = begun.flatMap(({ path, name }) =>
      fieldsOf(name)
        .filter((field) => !isFound(new RegExp(`\\b${name}\\.${field}\\.set\\(`), [path]))
        .map((field) => `${path}: ${name}.${field}`),
    );
    expect(unset).toEqual([]);
  });

  it("is sent without fields only if it has none", () => {
    const sent = sides.flatMap((path) =>
      [...textOf(path).matchAll(/\bsend\(Message\.(\w+), /g)].map(([, name]) => name!),
    );
    expect(sent.length).toBeGreaterThan(1);
    expect(sent.filter((name) => fieldsOf(name).length > 0)).toEqual([]);
  });

  it("is read and written by its fields: who sends or takes one knows no number of a word", () => {
    expect(sides.filter((path) => /(?<!#)\bwords\[at\b|\b(in|out)box\.words\[/.test(textOf(path)))).toEqual([]);
  });
});

function fieldsOf(name: string): string[] {
  return Object.keys(declared[name as keyof typeof declared]);
}

/** The members of an interface, by their names. */
function membersOf(path: string, type: string): string[] {
  const body = new RegExp(`export interface ${type} \\{([\\s\\S]*?)\\n\\}`).exec(textOf(path))?.[1] ?? "";
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name);
}

function isNamed(name: string, paths: readonly string[]): boolean {
  return isFound(new RegExp(`\\b${name}\\b`), paths);
}

function isFound(pattern: RegExp, paths: readonly string[]): boolean {
  return paths.some((path) => pattern.test(textOf(path)));
}
