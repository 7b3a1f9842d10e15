/**
 * Random tests, where mutants are searched: always the same cases, so that a score is a score; and what fails has failed, so that nobody waits for
 * its smallest case.
 */
import fc from "fast-check";

fc.configureGlobal({ seed: 1, endOnFailure: true });
