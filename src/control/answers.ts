/**
 * Answers that routes have in common, as their schemas: nothing, and what a refusal looks like wherever it comes from.
 */
import { type TSchema, Type } from "typebox";
import { Problem } from "./schemas.ts";

export const Nothing = Type.Null({ description: "Done, or there was nothing to do" });

/** `answers`: by status. Whatever is refused is a problem. */
export function responses(answers: Readonly<Record<number, TSchema>>): Record<string, TSchema> {
  return { ...answers, default: Problem };
}
