/** Order of test files where mutants are searched: those of examples first, for they take milliseconds and the first failure ends a run; then random ones. */
import { readFileSync } from "node:fs";
import { BaseSequencer, type TestSpecification } from "vitest/node";

export class ExamplesFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const keyed = files.map((file) => [file, keyOf(file.moduleId)] as const);
    return Promise.resolve(keyed.sort(([, a], [, b]) => (a < b ? -1 : 1)).map(([file]) => file));
  }
}

function keyOf(path: string): string {
  return `${readFileSync(path, "utf8").includes('"fast-check"') ? "random" : "examples"} ${path}`;
}
