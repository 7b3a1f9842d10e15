/** Names from elsewhere, as a terminal, a log and a shell get them. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { SnapringError } from "../../../src/base/errno.ts";
import { printable, printableLine, shellQuoted } from "../../../src/base/printable.ts";
import { SafeLog } from "../../../src/engine/safe-log.ts";

const CLEAR = "\u001b[2J";
const HOSTILE = `a${CLEAR}b\u0007\u007f\u009b31m\u202e\u2066`;

test("what a terminal would obey is shown: C0, DEL, C1, and what turns the direction of text", () => {
  expect(printable(HOSTILE)).toBe("a\\u001b[2Jb\\u0007\\u007f\\u009b31m\\u202e\\u2066");
  expect(printable("über 日本 \u{1f600}, one\ttwo\nthree")).toBe("über 日本 \u{1f600}, one\ttwo\nthree");
  for (let code = 0; code < 0xa0; code++) {
    const shown = printableLine(String.fromCharCode(code));
    const isControl = (code < 0x20 && code !== 0x09) || code >= 0x7f;
    expect(shown.length, `code ${code}`).toBe(isControl ? 6 : 1);
  }
});

test("a line of JSON stays the same JSON", () => {
  const value = { name: HOSTILE, "\u202ekey": ["\n", "\u007f"] };
  const line = JSON.stringify(value);
  expect(printable(line)).not.toBe(line);
  expect(JSON.parse(printable(line))).toEqual(value);
});

test("a name is one line of the log, which cannot look like another one", () => {
  const lines: string[] = [];
  new SafeLog((line) => lines.push(line)).write(`a\nsnapring: all is well${CLEAR}: given up`);
  expect(lines).toEqual(["a\\u000asnapring: all is well\\u001b[2J: given up"]);
});

test("an error is safe to print, whoever prints it", () => {
  const { message, hint } = new SnapringError("EBUSY", `in use by ${HOSTILE}`, { hint: `give ${HOSTILE}` });
  expect(printable(message)).toBe(message);
  expect(printable(hint ?? "")).toBe(hint);
});

test("a hint that is pasted is one argument, whatever the name", () => {
  const names = [
    "monday",
    "/v/mon.cow",
    "two words",
    "it's",
    "$(touch /tmp/x)",
    "`id`",
    'a"b',
    "a;b|c&d>e",
    "!!",
    "\\u001b",
    "line\nfeed",
    `'; ${CLEAR}rm\r`,
    "\u202eabc\u009b'\\n",
    "",
  ];
  const script = names.map((name) => `printf '%s\\0' ${shellQuoted(name)}`).join("\n");
  expect(printable(script)).toBe(script);
  const said = spawnSync("bash", ["-c", script], { encoding: "utf8", env: { ...process.env, LC_ALL: "C.UTF-8" } });
  expect(said.stdout.split("\0")).toEqual([...names, ""]);
  expect(shellQuoted("monday=/v/mon.cow")).toBe("monday=/v/mon.cow");
});
