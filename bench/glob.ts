/**
 * Names chosen by patterns: `cow-*,read-unmapped-4k-qd1`. A star stands for any run of characters; nothing else is special.
 */

/** Does `name` match one of `patterns`? */
export function matchesAny(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const source = pattern.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
    return new RegExp(`^${source.join(".*")}$`).test(name);
  });
}

export function patternsOf(list: string): string[] {
  return list
    .split(",")
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== "");
}
