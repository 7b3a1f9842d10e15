/** What errors advise: the library's options to programs, the command line's to people, both as they can be used. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { advice, say } from "../../../src/base/advice.ts";
import { commandHint, hintOf, SnapringError } from "../../../src/base/errno.ts";
import { parseSnapshotOption } from "../../../src/cli/snapshot-option.ts";

const ROOT = join(import.meta.dirname, "../../..");

it("an error says the same in both words, also when it is handed on", () => {
  const hint = advice`say ${say.moved}, or ${advice`give it up with ${say.abandon("a b")}`} (${2} ways)`;
  const error = new SnapringError("EBUSY", "it is another one", { hint });
  const again = new SnapringError("EBUSY", "it is another one", { hint: hintOf(error) });
  for (const one of [error, again]) {
    expect(one.hint).toBe('say moved: true, or give it up with abandon: ["a b"] (2 ways)');
    expect(commandHint(one)).toBe("say --moved, or give it up with --abandon 'a b' (2 ways)");
  }
  const plain = new SnapringError("EIO", "it broke", { hint: "mend it" });
  expect([plain.hint, commandHint(plain), hintOf(plain)]).toEqual(["mend it", "mend it", "mend it"]);
  expect(commandHint(new SnapringError("EIO", "it broke"))).toBeUndefined();
});

it.each([
  ["before", "/v/before.cow"],
  ["a=b", "/v/a=b,c.cow"],
  ["it's, \\ & $HOME", "/v/a b\\x20.cow"],
])("a snapshot that is to be given can be pasted into a shell: %s", (name, cow) => {
  const { command } = say.snapshot(name, cow);
  const { stdout } = spawnSync("sh", ["-c", `printf '%s\\n' ${command}`], { encoding: "utf8" });
  const [flag, value] = stdout.trimEnd().split("\n");
  expect(flag).toBe("--snapshot");
  expect(parseSnapshotOption(value)).toEqual({ name, cow });
});

describe("the library's own sources", () => {
  const flags =
    /--(moved|abandon|unregistered|snapshot|no-merge|direct|buffered|io|unlocked|listen|workers|size|force|read-only)\b/;
  // A whole command, `snapring create --force`, is one for whoever reads it.
  it.each(["engine", "register", "device", "core"])("name no flag of the command line in a text: src/%s", (layer) => {
    const texts = readdirSync(join(ROOT, "src", layer)).flatMap((file) =>
      readFileSync(join(ROOT, "src", layer, file), "utf8")
        .split("\n")
        .filter((line) => !/^\s*(\/?\*|\/\/)/.test(line) && flags.test(line.replace(/snapring \w+ --\w+/g, ""))),
    );
    expect(texts).toEqual([]);
  });
});
