/**
 * What a task of an opening thread answers: a value, or what was thrown, as plain values.
 *
 *   opening thread   answer(body) ─▶ { done } or { refused } ── structured clone ──▶ main   doneOf: the value, or throws
 *
 * A clone keeps the text of an error and loses the rest: its class, its `code`, the hint in both of its wordings. People read these, and the engine
 * asks for them, so they travel as fields. What is thrown on main has the stack of where it came from.
 */
import type { Advice } from "../base/advice.ts";
import { type ErrnoName, hintOf, SnapringError } from "../base/errno.ts";

export type Answer<T> = { readonly done: T } | { readonly refused: Refusal };

export interface Refusal {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  readonly hint: string | Advice | undefined;
  readonly cause: Refusal | undefined;
}

export async function answer<T>(body: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    return { done: await body() };
  } catch (error) {
    return { refused: refusalOf(error) };
  }
}

export function doneOf<T>(from: Answer<T>): T {
  if ("refused" in from) throw errorOf(from.refused);
  return from.done;
}

export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof Error)) {
    return {
      name: "Error",
      message: String(error),
      stack: undefined,
      code: undefined,
      hint: undefined,
      cause: undefined,
    };
  }
  const { name, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    name,
    message,
    stack,
    code: typeof code === "string" ? code : undefined,
    hint: error instanceof SnapringError ? hintOf(error) : undefined,
    cause: cause === undefined ? undefined : refusalOf(cause),
  };
}

export function errorOf(refusal: Refusal): Error {
  const { name, message, stack, code, hint } = refusal;
  const cause = refusal.cause === undefined ? undefined : errorOf(refusal.cause);
  if (name === "SnapringError") return withStack(new SnapringError(code as ErrnoName, message, { hint, cause }), stack);
  const made = name === "RangeError" ? new RangeError(message, { cause }) : new Error(message, { cause });
  return withStack(Object.assign(made, { name }, code === undefined ? {} : { code }), stack);
}

function withStack<T extends Error>(error: T, stack: string | undefined): T {
  if (stack !== undefined) error.stack = stack;
  return error;
}
