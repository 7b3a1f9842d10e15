/**
 * What Stryker asks a test runner and hears from it: the part of @stryker-mutator/api that is used here. That package is set up on demand
 * (.ci/mutants), so that the types of the tests cannot come from there.
 */

/** Shared with the code that Stryker puts into the sources. */
export interface Switchboard {
  /** What is reached is counted. */
  counting: boolean;
  /** The mutant that is on, by its number, or -1, and by its name. */
  number: number;
  activeMutant?: string | undefined;
  /** The test that what is reached is counted for; without one it is counted as reached while modules load. */
  currentTestId?: string | undefined;
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> };
  /** How often the mutant was come by, and how often it may be: it throws then. */
  hitCount?: number | undefined;
  hitLimit?: number | undefined;
}

export interface MutantRunOptions {
  /** Ids of tests; all of them where there is none. */
  readonly testFilter?: readonly string[];
  readonly activeMutant: { readonly id: string; readonly fileName: string };
  readonly sandboxFileName: string;
  /** What is done while modules load is mutated, too: they have to be loaded with the mutant on. */
  readonly mutantActivation: "runtime" | "static";
}

export type MutantRunResult =
  | {
      readonly status: "killed";
      readonly killedBy: readonly string[];
      readonly failureMessage: string;
      readonly nrOfTests: number;
    }
  | { readonly status: "survived"; readonly nrOfTests: number }
  | { readonly status: "timeout"; readonly reason: string };

export const TestStatus = { Success: 0, Failed: 1, Skipped: 2 } as const;

export interface TestResult {
  readonly id: string;
  readonly name: string;
  readonly fileName: string;
  readonly timeSpentMs: number;
  readonly status: (typeof TestStatus)[keyof typeof TestStatus];
  readonly failureMessage?: string;
}

export interface DryRunResult {
  readonly status: "complete";
  readonly tests: readonly TestResult[];
  readonly mutantCoverage: Switchboard["mutantCoverage"];
}

export interface TestRunner {
  capabilities(): { readonly reloadEnvironment: boolean };
  init(): Promise<void>;
  dryRun(): Promise<DryRunResult>;
  mutantRun(options: MutantRunOptions): Promise<MutantRunResult>;
}

/** As `declareFactoryPlugin` makes it. */
export interface TestRunnerPlugin {
  readonly kind: "TestRunner";
  readonly name: string;
  readonly factory: () => TestRunner;
}
