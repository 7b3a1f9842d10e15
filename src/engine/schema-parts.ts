/**
 * What schemas of options are made of (option-schema.ts): texts, numbers within bounds, lists, addresses, each with the words that an error has; and the way from
 * what a schema finds to node's errors. Everything but a given number may be left out, but for texts and addresses.
 */
import * as v from "valibot";
import { type ListenAddress, readAddress } from "./listen-address.ts";
import { optionError, type OptionErrorCode, received } from "./option-error.ts";

export function run(schema: v.GenericSchema, options: unknown): unknown {
  const { issues, output } = v.safeParse(schema, options, { abortEarly: true, abortPipeEarly: true });
  if (issues === undefined) return output;
  const [issue] = issues;
  const where = `options${(issue.path ?? []).map(({ key }) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("")}`;
  const isKey = issue.type === "strict_object" && issue.path?.at(-1)?.origin === "key";
  if (isKey && issue.expected === "never") wrong(where, "is not an option");
  if (isKey) throw optionError("ERR_INVALID_ARG_TYPE", where, "is missing");
  throw optionError(codeOf(issue), where, `${issue.message}; received ${received(issue.input)}`);
}

/** Of words that were not among those that there are, or of a number beyond its bounds (NaN is one to whoever wrote it). */
function codeOf({ kind, type, input }: v.BaseIssue<unknown>): OptionErrorCode {
  const isWord = type === "picklist" || type === "union";
  if (isWord) return typeof input === "string" ? "ERR_INVALID_ARG_VALUE" : "ERR_INVALID_ARG_TYPE";
  if (typeof input === "number" && (type === "number" || kind === "validation")) return "ERR_OUT_OF_RANGE";
  return kind === "schema" ? "ERR_INVALID_ARG_TYPE" : "ERR_INVALID_ARG_VALUE";
}

export function wrong(where: string, fact: string): never {
  throw optionError("ERR_INVALID_ARG_VALUE", where, fact);
}

/** What a value lacks; undefined: nothing. */
type Fault<T> = (value: T) => string | undefined;

export function text(what: string, fault: Fault<string> = () => undefined): v.GenericSchema<string> {
  return v.pipe(
    v.string(what),
    v.check(
      (value) => fault(value) === undefined,
      ({ input }) => fault(input) ?? what,
    ),
  );
}

export function number(what: string, fault: Fault<number>): v.GenericSchema<number | undefined> {
  return v.optional(givenNumber(what, fault));
}

/** One that must be there. */
export function givenNumber(what: string, fault: Fault<number>): v.GenericSchema<number> {
  return v.pipe(
    v.number(({ input }) => (typeof input === "number" ? (fault(input) ?? what) : what)),
    v.check(
      (value) => fault(value) === undefined,
      ({ input }) => fault(input) ?? what,
    ),
  );
}

export function whole(min: number, max: number): v.GenericSchema<number | undefined> {
  const what = `must be a whole number from ${min} to ${max}`;
  return number(what, (value) => (Number.isInteger(value) && value >= min && value <= max ? undefined : what));
}

export function list(schema: v.GenericSchema, what: string): v.GenericSchema {
  return v.optional(v.array(schema, what));
}

/** A text that becomes the address that it is. */
export function address(): v.GenericSchema<string, ListenAddress> {
  const what = "must be unix:PATH, tcp:HOST:PORT or fd:N";
  return v.pipe(
    v.string(what),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const read = readAddress(dataset.value);
      if (typeof read !== "string") return read;
      addIssue({ message: `${what}: ${read}` });
      return NEVER;
    }),
  );
}
