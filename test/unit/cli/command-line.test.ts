/** The manners that all commands share: help, usage errors, exit codes, JSON. */
import { SnapringError } from "../../../src/base/errno.ts";
import { describe, expect, it } from "vitest";
import { reportFailure } from "../../../src/cli/failure.ts";
import { FakeTerminal, snapring } from "../../support/fake-terminal.ts";

const COMMANDS = ["serve", "create", "status", "dump", "read", "merge", "demo"];

describe("help", () => {
  it("lists every command, the sizes and the exit codes", async () => {
    const { code, stdout } = await snapring("--help");
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    expect(stdout).toContain("32s");
    for (const line of ["Exit codes:", "  0  done", "  1  failed", "  2  wrong command line"])
      expect(stdout).toContain(line);
  });

  it.each(COMMANDS)("of %s has examples", async (command) => {
    const { code, stdout } = await snapring(command, "--help");
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: snapring ${command}`);
    expect(stdout).toContain("Examples:");
  });

  it("is what no command at all gets, as a usage error", async () => {
    const { code, stdout, stderr } = await snapring();
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("Usage: snapring");
  });

  it("names the version", async () => {
    const { code, stdout } = await snapring("--version");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("a wrong command line", () => {
  it.each([
    ["an unknown command", ["stats"], "unknown command 'stats'"],
    ["an unknown flag", ["status", "c", "--jsno"], "unknown option '--jsno'"],
    ["a missing argument", ["status"], "missing required argument 'COW'"],
    ["an argument too many", ["status", "a", "b"], "too many arguments"],
    ["a size that is none", ["create", "c", "--size", "10X"], "'10X' is not a size"],
    ["a size of no whole sectors", ["create", "c", "--size", "1000"], "not a multiple of 512"],
    ["a wrong choice", ["serve", "o", "--io", "magic"], "Allowed choices are auto, uring, sync"],
    ["direct and buffered", ["serve", "o", "--direct", "--buffered"], "cannot be used with"],
    ["no workers", ["serve", "o", "--workers", "0"], "not a whole number from 1 to 16"],
    ["a listen address of no kind", ["serve", "o", "--listen", "10809"], "neither with unix: nor with tcp:"],
    ["a snapshot without a file", ["serve", "o", "--snapshot", "a"], "no '='"],
  ])("%s: exit code 2 and one line", async (_, argv, words) => {
    const { code, stdout, stderr } = await snapring(...argv);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(words);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  it("is JSON where JSON was asked for", async () => {
    const { code, stdout, stderr } = await snapring("status", "--json", "--nonsense");
    expect(code).toBe(2);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "EUSAGE", message: "unknown option '--nonsense'" } });
  });
});

describe("a failure", () => {
  const report = (error: unknown, json: boolean): FakeTerminal & { code?: number } => {
    const terminal: FakeTerminal & { code?: number } = new FakeTerminal();
    terminal.code = reportFailure(error, terminal, "snapring status", json);
    return terminal;
  };

  it("is said on stderr where standard output takes nothing, also in JSON mode; a reader that has gone is told nothing", () => {
    const terminal = new FakeTerminal();
    terminal.out = () => {
      throw Object.assign(new Error("no space left"), { code: "ENOSPC", syscall: "write" });
    };
    expect(reportFailure(new SnapringError("EIO", "it broke"), terminal, "snapring status", true)).toBe(1);
    expect(terminal.stderr).toBe("snapring status: it broke\n");
    const gone = Object.assign(new Error("broken pipe"), { code: "EPIPE", syscall: "write" });
    expect(reportFailure(gone, terminal, "snapring status", true)).toBe(1);
    expect(terminal.stderr).toBe("snapring status: it broke\n");
  });

  it("is one line: what, and what to do", () => {
    const { code, stderr, stdout } = report(new SnapringError("EIO", "it broke\nbadly", { hint: "mend it" }), false);
    expect(code).toBe(1);
    expect(stderr).toBe("snapring status: it broke badly (mend it)\n");
    expect(stdout).toBe("");
  });

  it("is one object in JSON", () => {
    const { code, stdout, stderr } = report(new SnapringError("ENXIO", "no snapshot"), true);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({ error: { code: "ENXIO", message: "no snapshot" } });
    expect(stderr).toBe("");
  });

  it("of a system call has no stack", () => {
    const error = Object.assign(new Error("EMFILE: too many open files, open 'x'"), {
      code: "EMFILE",
      syscall: "open",
    });
    expect(report(error, false).stderr).toBe("snapring status: EMFILE: too many open files, open 'x'\n");
  });

  it("of our own making shows its stack", () => {
    const { code, stderr } = report(new TypeError("x is undefined"), false);
    expect(code).toBe(1);
    expect(stderr).toContain("internal error: x is undefined");
    expect(stderr).toContain("command-line.test.ts");
  });
});
