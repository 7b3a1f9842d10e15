/**
 * Whatever was thrown, as what a client is told: a stable code, what a repetition is good for, the way out, and what it came of.
 */
import { expect, test } from "vitest";
import { advice, say } from "../../../src/base/advice.ts";
import { SnapringError } from "../../../src/base/errno.ts";
import { Problem, problemOf } from "../../../src/daemon/problem.ts";
import { optionError } from "../../../src/engine/option-error.ts";

test.each([
  ["ENOENT", 404, "not-found", "after-fix"],
  ["EEXIST", 409, "differs", "never"],
  ["EBUSY", 409, "busy", "after-fix"],
  ["ENOSPC", 507, "no-room", "after-fix"],
  ["EINVAL", 422, "refused", "after-fix"],
  ["EIO", 502, "device-failed", "after-fix"],
  ["ETIMEDOUT", 504, "device-hangs", "backoff"],
  ["EMFILE", 503, "short-of-resources", "backoff"],
  ["ESHUTDOWN", 503, "closing", "backoff"],
] as const)("%s of the engine is %d %s, and to be tried again: %s", (code, status, told, retry) => {
  const { details } = problemOf(new SnapringError(code, "why"), "volume a");
  expect(details).toEqual({
    type: `urn:snapring:problem:${told}`,
    title: details.title,
    ...{ status, detail: "volume a: why", code: told, retry, cause: { code, message: "why" } },
  });
});

test("an option that is wrong is the request's fault", () => {
  expect(problemOf(optionError("ERR_OUT_OF_RANGE", "options.size", "is wrong")).details).toMatchObject({
    status: 400,
    code: "bad-request",
    retry: "never",
  });
});

test("what nobody has thought of is a defect", () => {
  expect(problemOf(new TypeError("x is undefined")).details).toMatchObject({ status: 500, code: "defect" });
});

test("the way out is told in the command line's words", () => {
  const error = new SnapringError("EBUSY", "why", { hint: advice`say ${say.moved}` });
  expect(problemOf(error).details.hint).toBe("say --moved");
});

test("a refusal of the daemon's own stays what it is", () => {
  const problem = new Problem("in-group", "why", { retry: "backoff" });
  expect(problemOf(problem, "about")).toBe(problem);
  expect(problem.details).toMatchObject({ detail: "why", retry: "backoff" });
  expect(problem.details).not.toHaveProperty("cause");
});
