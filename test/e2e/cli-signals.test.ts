/**
 * What signals do to the command, from its first moment to its last: while it starts, while it closes, said once and said twice.
 *
 * A client that does not read its replies holds the close up for as long as a test needs it to.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { Cmd, NbdClient } from "../support/nbd-client.ts";
import { runCommand } from "../support/run-command.ts";
import { MAIN } from "../support/server.ts";

const MIB = 2 ** 20;
const SIGHUP = 1;
const SIGUSR1 = 10;
const ROOT = join(import.meta.dirname, "../..");

let scratch: Scratch;
const children: Running[] = [];

beforeEach(async () => {
  scratch = await makeScratch();
  writeFileSync(scratch.file("origin.img"), dataPattern(4 * MIB, 1));
});

afterEach(async () => {
  for (const child of children.splice(0)) await child.kill();
  await scratch.remove();
});

/** A process and all that it says; the one that the test is about may be a child of it. */
class Running {
  readonly child: ChildProcess;
  readonly closed: Promise<void>;
  stdout = "";
  stderr = "";

  constructor(command: string, args: readonly string[], options: { detached?: boolean } = {}) {
    this.child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], cwd: ROOT, ...options });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.closed = once(this.child, "close").then(() => undefined);
    children.push(this);
  }

  get pid(): number {
    return this.child.pid as number;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
    await this.closed;
  }

  /** Its stdout holds this; throws where it ends without it. */
  async until(pattern: RegExp): Promise<void> {
    let over = false;
    void this.closed.then(() => {
      over = true;
    });
    while (!pattern.test(this.stdout)) {
      if (over) throw new Error(`ended: ${this.stdout}${this.stderr}`);
      await sleep(5);
    }
  }
}

const serveArguments = (): string[] => [
  ...[MAIN, "serve", scratch.file("origin.img"), "--workers", "1", "--listen", `unix:${scratch.file("s.sock")}`],
  ...["--snapshot", `monday=${scratch.file("mon.cow")},size=16M`],
];

const serve = (...nodeArguments: readonly string[]): Running =>
  new Running(process.execPath, [...nodeArguments, ...serveArguments()]);

/** Has the process a handler for this signal? */
function catches(pid: number, signal: number): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return (Number.parseInt(caught.slice(-8), 16) & (1 << (signal - 1))) !== 0;
}

async function untilCatches(pid: number, signal: number): Promise<void> {
  while (!catches(pid, signal)) await sleep(1);
}

/** A client with replies that it reads when it is told to: until then the server cannot close. */
async function lazyClient(): Promise<NbdClient> {
  const client = await NbdClient.open({ path: scratch.file("s.sock") });
  client.stream.pause();
  for (let i = 0; i < 4; i++)
    void client.request({ type: Cmd.Read, offset: 0, length: 4 * MIB }).catch(() => undefined);
  // A server that had not read the requests when it was stopped owed no reply, and was gone at once.
  for (let i = 0; i < 8; i++) {
    const other = await NbdClient.open({ path: scratch.file("s.sock") });
    await other.read(0, 512);
    other.destroy();
  }
  return client;
}

/** May somebody connect to the address that node has announced? */
function inspectorAnswers(stderr: string): Promise<boolean> {
  const port = /Debugger listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(stderr)?.[1];
  return new Promise((resolve) => {
    const socket = connect(Number(port), "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

describe("while it starts", () => {
  it("SIGUSR1 and SIGHUP are answered when it is up, and open no inspector", async () => {
    const server = serve("--inspect-port=0");
    await untilCatches(server.pid, SIGHUP);
    server.child.kill("SIGUSR1");
    server.child.kill("SIGHUP");
    await server.until(/^\{"stats":.*"droppedLines":0\}\}$/m);
    expect(server.stdout).toMatch(/^nbd\+unix.*\n^nbd\+unix.*monday/m);
    expect(server.stderr).toBe("");
    server.child.kill("SIGTERM");
    await server.closed;
    expect(server.child.exitCode).toBe(0);
  });

  it("an inspector that a signal has opened before the first statement is closed; one that was asked for is not", async () => {
    // Node has its handler when it has loaded nothing of ours; a module before ours does the same without a race.
    const server = serve(
      "--inspect-port=0",
      "--import",
      'data:text/javascript,import i from "node:inspector";i.open(0)',
    );
    await server.until(/monday/);
    expect(server.stderr).toContain("Debugger listening");
    await expect.poll(() => inspectorAnswers(server.stderr)).toBe(false);
    server.child.kill("SIGTERM");
    await server.closed;
    const asked = serve("--inspect=127.0.0.1:0");
    await asked.until(/monday/);
    expect(await inspectorAnswers(asked.stderr)).toBe(true);
  });

  it("a SIGUSR1 to node's own handler leaves no inspector and a server that works", async () => {
    const server = serve("--inspect-port=0");
    await untilCatches(server.pid, SIGUSR1);
    server.child.kill("SIGUSR1");
    await server.until(/monday/);
    if (/Debugger listening/.test(server.stderr)) await expect.poll(() => inspectorAnswers(server.stderr)).toBe(false);
    const client = await NbdClient.open({ path: scratch.file("s.sock") });
    expect(await client.read(0, 512)).toEqual(dataPattern(512, 1));
    client.destroy();
  });

  it("SIGTERM ends it with exit code 0, and leaves nothing that it would not leave later", async () => {
    const server = serve();
    await untilCatches(server.pid, SIGHUP);
    server.child.kill("SIGTERM");
    await server.closed;
    expect(server.child.exitCode).toBe(0);
    expect(server.stdout + server.stderr).toBe("");
    expect(existsSync(scratch.file("s.sock"))).toBe(false);
  });
});

describe("while it closes", () => {
  it("SIGUSR1, SIGHUP and more of SIGTERM within a second change nothing: acknowledged writes are there", async () => {
    const server = serve();
    await server.until(/monday/);
    const client = await NbdClient.open({ path: scratch.file("s.sock") }, "monday");
    await client.write(0, dataPattern(MIB, 5));
    const lazy = await lazyClient();
    server.child.kill("SIGTERM");
    for (const signal of ["SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP", "SIGTERM", "SIGHUP", "SIGUSR1"] as const) {
      server.child.kill(signal);
      await sleep(10);
    }
    expect(server.child.exitCode ?? server.child.signalCode).toBe(null);
    lazy.stream.resume();
    await server.closed;
    expect({ code: server.child.exitCode, signal: server.child.signalCode }).toEqual({ code: 0, signal: null });
    const again = serve();
    await again.until(/monday/);
    const reader = await NbdClient.open({ path: scratch.file("s.sock") }, "monday");
    expect((await reader.read(0, MIB)).equals(dataPattern(MIB, 5))).toBe(true);
    reader.destroy();
  });

  it.for([
    ["", "SIGKILL", null],
    ["as process 1 of a container ", null, 137],
  ] as const)(
    "%sthe signal after the one that was warned about ends it at once",
    async ([where, signal, code], { skip }) => {
      const unshare = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
      skip((await runCommand("unshare", ...unshare, "true")).code !== 0, "no namespaces of its own here");
      const server =
        where === "" ? serve() : new Running("unshare", [...unshare, process.execPath, ...serveArguments()]);
      await server.until(/monday/);
      const pid =
        where === "" ? server.pid : Number(readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8"));
      const lazy = await lazyClient();
      process.kill(pid, "SIGTERM");
      await expect.poll(() => server.stderr).toContain("stopping; another signal ends it at once");
      // It must not be a matter of luck that the second one comes late enough: it is repeated, and the last one counts.
      while (existsSync(`/proc/${pid}/fd`) && server.child.exitCode === null && server.child.signalCode === null) {
        try {
          process.kill(pid, "SIGTERM");
        } catch {
          break;
        }
        await sleep(50);
      }
      await server.closed;
      expect({ code: server.child.exitCode, signal: server.child.signalCode }).toEqual({ code, signal });
      expect(existsSync(scratch.file("s.sock"))).toBe(false);
      lazy.destroy();
    },
  );
});

describe("demo", () => {
  it("prints statistics on SIGUSR1, and stops in good order when its terminal goes", async () => {
    const demo = new Running(process.execPath, [MAIN, "demo", "--directory", scratch.file("demo"), "--size", "8M"]);
    await demo.until(/Ctrl-C ends/);
    demo.child.kill("SIGUSR1");
    await demo.until(/^\{"stats":/m);
    demo.child.kill("SIGHUP");
    await demo.closed;
    expect({ code: demo.child.exitCode, signal: demo.child.signalCode }).toEqual({ code: 0, signal: null });
    expect(demo.stdout).toContain("the next start continues");
  });
});

describe("under npm", () => {
  it("a script that begins with exec, as npm start does, ends with npm and leaves no orphan", async () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: { start: string } };
    expect(scripts.start).toMatch(/^exec node /);
    const script = `exec '${process.execPath}' ${serveArguments().join(" ")}`;
    writeFileSync(scratch.file("package.json"), JSON.stringify({ private: true, scripts: { serve: script } }));
    const npm = new Running("npm", ["--prefix", scratch.file("."), "run", "serve"]);
    await npm.until(/\/monday\?/);
    const server = Number(readFileSync(`/proc/${npm.pid}/task/${npm.pid}/children`, "utf8").trim());
    npm.child.kill("SIGTERM");
    await npm.closed;
    expect(npm.child.exitCode).toBe(0);
    expect(existsSync(`/proc/${server}`)).toBe(false);
    expect(existsSync(scratch.file("s.sock"))).toBe(false);
  });
});
