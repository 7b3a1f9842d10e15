/** Which mutants only weaken an assert: those, and no others, are left out of the score of `npm run mutants`. */
import { expect, it } from "vitest";
import { Weakened } from "./weakened.ts";

/** A source with the mutated part between ‹ and ›. */
function weakens(marked: string, replacement: string): boolean {
  const source = marked.replace("‹", "").replace("›", "");
  const place = (at: number): { line: number; column: number } => {
    const lines = source.slice(0, at).split("\n");
    return { line: lines.length, column: lines.at(-1)!.length + 1 };
  };
  return new Weakened(source).has(place(marked.indexOf("‹")), place(marked.indexOf("›") - 1), replacement);
}

it.each([
  ["assert(‹a < b›, words);", "true"],
  ["assert(‹a < b›, words);", "a <= b"],
  ["assert(‹a > b›, words);", "a >= b"],
  ["assert(!(‹a >= b›), words);", "a > b"],
  ["assert(‹a && b›);", "a || b"],
  ["assert(‹a === 1› && b);", "true"],
  ["assert(c || (‹a && b›));", "true"],
  ["assert(!(‹a || b›));", "a && b"],
  ["assert(!(a.has(b) && ‹c === d›));", "false"],
  ["assert(‹a.includes(b) || c.stateOf(d) === 0›, `${f()}`);", "true"],
  ["if (‹x.isY() && z›) assert(a, words);", "false"],
  ["if (VERIFY && ‹x > 1›) {\n  assert(a);\n  for (const one of all) assert(one > 0);\n}", "false"],
  ["for (let i = 0; ‹i < n›; i++) assert(a[i] === 0);", "false"],
  [
    "class A { verify(): void ‹{\n  let n = 0;\n  for (const a of b) { assert(a > n); n = a; }\n  this.#verifyMore(n);\n}› }",
    "{}",
  ],
])("%s, with %s instead", (marked, replacement) => {
  expect(weakens(marked, replacement)).toBe(true);
});

it.each([
  ["assert(‹a < b›, words);", "false", "always fails"],
  ["assert(‹a <= b›, words);", "a < b", "stricter"],
  ["assert(‹a < b›, words);", "a >= b", "turned round"],
  ["assert(‹a >= b›, words);", "a > b", "stricter"],
  ["assert(‹a > b›, words);", "a <= b", "turned round"],
  ["assert(‹a.b > c(d)›);", "true", "a call may do anything"],
  ["assert(a || ‹b === c›);", "false", "stricter"],
  ["assert((‹a === b›) === c);", "true", "either way"],
  ["assert(a(‹b > c›));", "true", "says nothing of what is done with it"],
  ["assert(‹a && set.delete(b)›);", "true", "an effect goes with it"],
  ["assert(‹(a += 1) > 2›);", "true", "an effect goes with it"],
  ["assert(a, ‹b > c› ? d : e);", "true", "the words"],
  ["if (‹a›) { assert(b); c(); }", "false", "more than an assert under it"],
  ["if (‹a›) assert(b);", "true", "looked at more often"],
  ["if (‹a > b›) return;", "false", "no assert"],
  ["for (const a of b) ‹{ assert(a > n); n = a; }›", "{}", "others see what it remembers"],
  ["const a = ‹b && c›;", "true", "no assert"],
])("%s, with %s instead, is a mutant: %s", (marked, replacement) => {
  expect(weakens(marked, replacement)).toBe(false);
});
