/**
 * Plants one mistake after the other, and runs the tests that must fail, in one vitest: a mistake is put into the text of its file as that is
 * loaded, and the file is loaded anew. First all of those tests without any mistake, which must be right.
 */
import { join } from "node:path";
import { createVitest, type TestModule, type Vitest } from "vitest/node";
import type { Edit } from "../sim/mutants/mutant.ts";
import { planted } from "./plant.ts";
import { PLANTED } from "./planted.ts";

const ROOT = join(import.meta.dirname, "../..");

/** In the tests it is their own failure that counts: this one says that nothing was planted, or what cannot even be loaded. */
const NOT_RUN = /SyntaxError|ReferenceError|is planted \d+ times|Cannot find/;

export async function searchPlanted(part: string): Promise<{ readonly done: number; readonly failed: number }> {
  const chosen = PLANTED.filter(({ name }) => name.includes(part));
  if (chosen.length === 0) return { done: 0, failed: 0 };
  const bench = await Bench.start();
  let failed = 0;
  try {
    const asItIs = await bench.run([], [...new Set(chosen.flatMap(({ tests }) => tests))]);
    if (asItIs !== undefined) {
      console.log(`without any mistake: ${asItIs}`);
      return { done: 1, failed: 1 };
    }
    for (const { name, edits, tests } of chosen) {
      const words = await bench.run(edits, tests);
      const found = words !== undefined && !NOT_RUN.test(words);
      if (!found) failed += 1;
      console.log(`${found ? "found" : "NOT FOUND"}: ${name}${words === undefined ? "" : ` (${words})`}`);
    }
  } finally {
    await bench.close();
  }
  console.log(`${chosen.length} planted, ${chosen.length - failed} found`);
  return { done: chosen.length, failed };
}

class Bench {
  readonly #vitest: Vitest;
  /** The edits of this run; the plugin reads them. */
  readonly #edits: Edit[];

  private constructor(vitest: Vitest, edits: Edit[]) {
    this.#vitest = vitest;
    this.#edits = edits;
  }

  static async start(): Promise<Bench> {
    const edits: Edit[] = [];
    const vitest = await createVitest(
      "test",
      { root: ROOT, config: join(ROOT, "test/mutants/vitest.config.ts"), watch: false, bail: 1, reporters: [{}] },
      {
        plugins: [
          {
            name: "planted-mistakes",
            enforce: "pre",
            transform: (code, id) => planted(code, id.split("?")[0]!, edits),
          },
        ],
      },
    );
    return new Bench(vitest, edits);
  }

  /** Undefined: every test was right; else what the first one that was not had to say. */
  async run(edits: readonly Edit[], tests: readonly string[]): Promise<string | undefined> {
    this.#plant(edits);
    const specifications = await this.#vitest.globTestSpecifications(tests.map((glob) => glob.replace(/\*.*/, "")));
    const { testModules, unhandledErrors } = await this.#vitest.runTestSpecifications(specifications, false);
    this.#plant([]);
    const [error] = unhandledErrors as readonly Error[];
    if (specifications.length === 0) return "Cannot find a test";
    // What earlier runs have left is told of, too.
    const ids = new Set(specifications.map(({ moduleId }) => moduleId));
    const modules = testModules.filter(({ moduleId }) => ids.has(moduleId));
    return error?.message ?? modules.map(firstFailure).find((words) => words !== undefined);
  }

  close(): Promise<void> {
    return this.#vitest.close();
  }

  #plant(edits: readonly Edit[]): void {
    for (const { file } of [...this.#edits, ...edits]) this.#vitest.invalidateFile(join(ROOT, file));
    this.#edits.splice(0, this.#edits.length, ...edits);
  }
}

function firstFailure(module: TestModule): string | undefined {
  for (const error of module.errors()) return error.message;
  for (const test of module.children.allTests("failed")) {
    return `${test.fullName}: ${test.result().errors?.[0]?.message.split("\n")[0]}`;
  }
  return undefined;
}
