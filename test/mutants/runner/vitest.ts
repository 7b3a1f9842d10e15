/**
 * The module `vitest` for tests that run in a process of the mutants: what it is made of, without its server, its workers and its module loader.
 *
 *   describe, it, hooks   @vitest/runner       collected once, run as often as there are mutants (test-files.ts)
 *   expect                @vitest/expect       chai and the matchers
 *   vi.spyOn              @vitest/spy
 *
 * What is not here (vi.mock, fake timers, expect.poll, snapshots) no test needs that is run for mutants; one that did would fail before the
 * first of them.
 */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  type ExpectStatic,
  GLOBAL_EXPECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from "@vitest/expect";
import { restoreAllMocks, spyOn } from "@vitest/spy";

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from "@vitest/runner";

export const vi = { spyOn, restoreAllMocks } as const;

export const expect: ExpectStatic = makeExpect();

function makeExpect(): ExpectStatic {
  chai.use(JestExtend);
  chai.use(JestChaiExpect);
  chai.use(JestAsymmetricMatchers);
  const shared = globalThis as unknown as Record<symbol, object>;
  const made = Object.assign(
    (value: unknown, message?: string) => chai.expect(value, message),
    chai.expect,
    shared[ASYMMETRIC_MATCHERS_OBJECT],
  ) as unknown as ExpectStatic;
  shared[GLOBAL_EXPECT] = made;
  setState({ assertionCalls: 0, isExpectingAssertions: false, expectedAssertionsNumber: null }, made);
  return made;
}
