/**
 * `snapring serve` and `snapring demo` as commands: what they print, how they end, what they leave behind. What is served is
 * tested elsewhere.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { freePort, makeScratch, type Scratch } from "../support/free-socket.ts";
import { runCommand, runOk } from "../support/run-command.ts";
import { MAIN } from "../support/server.ts";

const MIB = 2 ** 20;

let scratch: Scratch;
let child: Running | undefined;

interface Running {
  readonly process: ChildProcess;
  stdout: string;
  stderr: string;
  /** Resolves when stdout holds the pattern; rejects when the process ends without it. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

beforeEach(async () => {
  scratch = await makeScratch();
  writeFileSync(scratch.file("origin.img"), dataPattern(MIB, 1));
});

afterEach(async () => {
  if (child?.process.exitCode === null && child.process.signalCode === null) await child.end("SIGKILL");
  child = undefined;
  await scratch.remove();
});

const start = (...argv: readonly string[]): Running => run(process.execPath, MAIN, ...argv);

function run(program: string, ...argv: readonly string[]): Running {
  const process_ = spawn(program, argv, { stdio: ["pipe", "pipe", "pipe"] });
  const closed = once(process_, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const running: Running = {
    process: process_,
    stdout: "",
    stderr: "",
    async until(pattern) {
      for (;;) {
        const match = pattern.exec(running.stdout);
        if (match !== null) return match;
        const ended = await Promise.race([once(process_.stdout, "data").then(() => false), closed.then(() => true)]);
        if (ended && !pattern.test(running.stdout)) throw new Error(`ended: ${running.stdout}${running.stderr}`);
      }
    },
    async end(name) {
      process_.kill(name);
      const [code, signal] = await closed;
      return { code, signal };
    },
  };
  process_.stdout.setEncoding("utf8").on("data", (text: string) => {
    running.stdout += text;
  });
  process_.stderr.setEncoding("utf8").on("data", (text: string) => {
    running.stderr += text;
  });
  child = running;
  return running;
}

/** Listens at a path (3), without a name (4) and at a port (5), says so, and becomes the command when it is told to: it hands its sockets on. */
const INHERIT = `
import os, socket, sys
path, *command = sys.argv[1:]
unix, other, tcp = (socket.socket(f) for f in (socket.AF_UNIX, socket.AF_UNIX, socket.AF_INET))
unix.bind(path); other.bind(""); tcp.bind(("127.0.0.1", 0))
for at, one in ((3, unix), (4, other), (5, tcp)):
    one.listen()
    if one.fileno() != at: os.dup2(one.fileno(), at)
    os.set_inheritable(at, True)
os.write(1, b"port %d\\n" % tcp.getsockname()[1])
os.read(0, 1)
os.execv(command[0], command)`;

const serve = (...options: readonly string[]): Running => start("serve", scratch.file("origin.img"), ...options);

describe("serve", () => {
  it("prints one line with a URI per export when clients may connect", async () => {
    const socket = scratch.file("s.sock");
    const snapshot = `monday=${scratch.file("mon.cow")},size=2M,chunk=4K`;
    const server = serve("--listen", `unix:${socket}`, "--snapshot", snapshot);
    await server.until(/monday.*\n/);
    const lines = server.stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toBe(`nbd+unix:///origin?socket=${socket}  origin, 1 MiB, read-write`);
    expect(lines[1]).toBe(`nbd+unix:///monday?socket=${socket}  monday, 1 MiB, read-write`);
    for (const line of lines) expect(await runOk("nbdinfo", "--size", line.split(" ")[0])).toBe(`${MIB}\n`);
    expect(await runOk("nbdinfo", "--size", `nbd+unix:///?socket=${socket}`)).toBe(`${MIB}\n`);
  });

  it("prints its exports as one line of JSON", async () => {
    const port = await freePort();
    const server = serve("--listen", `tcp:127.0.0.1:${port}`, "--read-only", "--json");
    const [line] = await server.until(/.*\n/);
    expect(JSON.parse(line)).toEqual({
      pid: server.process.pid,
      exports: [
        { name: "origin", size: MIB, read_only: true, state: "active", uris: [`nbd://127.0.0.1:${port}/origin`] },
      ],
    });
  });

  it.each(["SIGTERM", "SIGINT"] as const)(
    "ends with exit code 0 on %s, and takes its socket with it",
    async (signal) => {
      const socket = scratch.file("s.sock");
      const server = serve("--listen", `unix:${socket}`);
      await server.until(/nbd\+unix/);
      expect(existsSync(socket)).toBe(true);
      expect(await server.end(signal)).toEqual({ code: 0, signal: null });
      expect(existsSync(socket)).toBe(false);
      expect(server.stderr).not.toMatch(/\n\s+at /);
    },
  );

  it("serves at sockets that it has inherited, those too who connected before it ran, and leaves their files", async () => {
    const path = scratch.file("inherited.sock");
    const fds = [3, 4, 5].flatMap((fd) => ["--listen", `fd:${fd}`]);
    const command = [process.execPath, MAIN, "serve", scratch.file("origin.img"), ...fds];
    const server = run("python3", "-c", INHERIT, path, ...command);
    const [, port] = await server.until(/port (\d+)\n/);
    const early = connect(path);
    await once(early, "connect");
    server.process.stdin?.write("\n");
    await server.until(/nbd:.*\n/);
    const uris = server.stdout.match(/nbd\S+/g) ?? [];
    expect(uris).toEqual([`nbd+unix:///origin?socket=${path}`, `nbd://127.0.0.1:${port}/origin`]);
    for (const uri of uris) expect(await runOk("nbdinfo", "--size", uri)).toBe(`${MIB}\n`);
    const [greeting] = await once(early, "data");
    expect(String(greeting).slice(0, 8)).toBe("NBDMAGIC");
    early.destroy();
    expect((await server.end("SIGTERM")).code).toBe(0);
    expect(existsSync(path)).toBe(true);
  });

  it("makes its socket with --socket-mode and --socket-group, and refuses what is no group", async () => {
    const socket = scratch.file("s.sock");
    const gid = process.getgid?.() ?? 0;
    const listen = ["--listen", `unix:${socket}`, "--socket-mode", "0640"];
    const server = serve(...listen, "--socket-group", String(gid));
    await server.until(/nbd\+unix/);
    const stat = statSync(socket);
    expect([stat.mode & 0o777, stat.gid]).toEqual([0o640, gid]);
    await server.end("SIGTERM");
    const refused = await runCommand(
      process.execPath,
      ...[MAIN, "serve", scratch.file("origin.img"), ...listen, "--socket-group", "no-such-group"],
    );
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("there is no group named 'no-such-group'"),
    ]);
  });

  it("takes over the socket of a server that was killed", async () => {
    const socket = scratch.file("s.sock");
    const killed = serve("--listen", `unix:${socket}`);
    await killed.until(/nbd\+unix/);
    await killed.end("SIGKILL");
    expect(existsSync(socket)).toBe(true);
    const server = serve("--listen", `unix:${socket}`);
    await server.until(/nbd\+unix/);
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  it("refuses devices that another server has open, and names it (E-42) (native)", async () => {
    const server = serve("--listen", `unix:${scratch.file("s.sock")}`);
    await server.until(/nbd\+unix/);
    const second = await runCommand(
      process.execPath,
      ...[MAIN, "serve", scratch.file("origin.img"), "--listen", `unix:${scratch.file("t.sock")}`],
    );
    expect(second.stderr).toMatch(new RegExp(`is in use by process ${server.process.pid}`));
    expect(second.code).toBe(1);
    expect(existsSync(scratch.file("t.sock"))).toBe(false);
  });

  it("keeps offline writers away, while status may look (E-42) (native)", async () => {
    const cow = scratch.file("mon.cow");
    const server = serve("--listen", `unix:${scratch.file("s.sock")}`, "--snapshot", `monday=${cow},size=2M`);
    await server.until(/monday.*\n/);
    const merge = await runCommand(process.execPath, MAIN, "merge", scratch.file("origin.img"), cow);
    expect(merge.stderr).toContain("is in use by process");
    expect(merge.code).toBe(1);
    const status = await runOk(process.execPath, MAIN, "status", cow);
    expect(status).toContain("64/4096 64");
  });

  it("does not open a volume without the snapshots that it has (E-46), unless they are abandoned", async () => {
    const cow = scratch.file("mon.cow");
    const listen = ["--listen", `unix:${scratch.file("s.sock")}`];
    const first = serve(...listen, "--snapshot", `monday=${cow},size=2M`);
    await first.until(/monday.*\n/);
    await first.end("SIGTERM");
    const second = await runCommand(process.execPath, MAIN, "serve", scratch.file("origin.img"), ...listen);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("monday");
    const third = serve(...listen, "--abandon", "monday");
    await third.until(/nbd\+unix/);
    await third.end("SIGTERM");
    const status = await runOk(process.execPath, MAIN, "status", cow, "--json");
    expect(JSON.parse(status)).toMatchObject({ state: "invalid" });
  });

  it("keeps an offline merge from destroying other snapshots of the origin (E-46)", async () => {
    const [monday, tuesday] = [scratch.file("mon.cow"), scratch.file("tue.cow")];
    const snapshots = ["--snapshot", `monday=${monday},size=2M`, "--snapshot", `tuesday=${tuesday},size=2M`];
    const server = serve("--listen", `unix:${scratch.file("s.sock")}`, ...snapshots);
    await server.until(/tuesday.*\n/);
    await server.end("SIGTERM");
    const merge = await runCommand(process.execPath, MAIN, "merge", scratch.file("origin.img"), monday);
    expect(merge.stderr).toContain(`has other snapshots that a merge would destroy: tuesday (${tuesday})`);
    expect(merge.code).toBe(1);
  });
});

it("prints URIs that work when they are pasted, whatever is in the socket's path and the names", async () => {
  const origin = scratch.file("odd.img");
  writeFileSync(origin, dataPattern(MIB, 1));
  const odd = "a b?c&d#e%f=g,h+i'j";
  const escaped = odd.replaceAll(/[=,]/g, "\\$&");
  const server = start(
    ...["serve", origin, "--json", "--listen", `unix:${scratch.file(odd)}`],
    ...["--snapshot", `${escaped}=${scratch.file("odd.cow")},size=1M`],
  );
  const [line] = await server.until(/^\{.*\}$/m);
  const { exports } = JSON.parse(line) as { exports: { name: string; uris: string[] }[] };
  expect(exports.map(({ name }) => name)).toEqual(["origin", odd]);
  for (const { uris } of exports) expect(await runOk("sh", "-c", `nbdinfo --size ${uris[0]}`)).toBe(`${MIB}\n`);
  expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });
});

describe("demo", () => {
  const demo = (): Running => start("demo", "--directory", scratch.file("demo"), "--size", "32M");

  it("is a daemon with a volume, and what it says to type takes a snapshot of it, writes, reads what was there, and rolls back", async () => {
    const server = demo();
    await server.until(/Ctrl-C ends/);
    const [, live] = await server.until(/^ {2}demo +32 MiB +(\S+)$/m);
    const [, control] = await server.until(/^ {2}export SNAPRING_CONTROL='(.+)'$/m);
    const [, fio] = await server.until(/^ {2}fio (.+) --runtime=10 --time_based$/m);
    const typed = async (verb: string): Promise<string> => {
      const [, words] = await server.until(new RegExp(`^ {2}snapring (${verb}.*?)(?: {4}.*)?$`, "m"));
      const { code, stdout, stderr } = await snapringAt(control, ...words.trim().split(" "));
      expect([code, stderr]).toEqual([0, ""]);
      return stdout;
    };
    const image = async (uri: string): Promise<Buffer> => {
      await runOk("nbdcopy", uri, scratch.file("image"));
      return readFileSync(scratch.file("image"));
    };
    const before = await image(live);
    expect(await typed("snapshot create")).toContain("writes were held for");
    const [, area] = /(--offset=\d+ --size=\d+)/.exec(fio) ?? [];
    expect(area).toBeDefined();
    await runOk("qemu-io", "-f", "raw", "-c", "write -P 0xab 0 1M", live);
    expect(await typed("snapshot list")).toMatch(/demo@before +active/);
    const [, snapshot] = await server.until(/^ {2}nbdcopy '(\S+)'/m);
    expect((await image(snapshot)).equals(before)).toBe(true);
    await server.until(/before \d+\/\d+ \d+ \(\d+\.\d %\) +\d+ I\/O\/s/);
    expect(await typed("merge start")).toMatch(/done/);
    expect((await image(live)).equals(before)).toBe(true);
    expect(await typed("snapshot drop")).toContain("demo@before");
    expect(await server.end("SIGINT")).toEqual({ code: 0, signal: null });
    expect(server.stdout).toContain("the next start continues");
    expect(["nbd", "control"].filter((name) => existsSync(scratch.file(`demo/${name}.sock`)))).toEqual([]);
  });

  it("prints its exports and its control socket as one line of JSON and nothing else, where that is asked for", async () => {
    const server = start("demo", "--directory", scratch.file("demo"), "--size", "1M", "--json");
    const [line] = await server.until(/^\{.*\}$/m);
    expect(JSON.parse(line)).toMatchObject({
      control: `unix:${scratch.file("demo/control.sock")}`,
      exports: [{ name: "demo", size: MIB, uris: [expect.stringContaining("nbd.sock")] }],
    });
    expect(await server.end("SIGINT")).toEqual({ code: 0, signal: null });
    expect(server.stdout).toBe(`${line}\n`);
  });

  it("goes on with its volume and snapshots at the second start, and says what to do where its folder was moved", async () => {
    const first = demo();
    const [, live] = await first.until(/^ {2}demo +32 MiB +(\S+)$/m);
    await first.until(/Ctrl-C ends/);
    const control = `unix:${scratch.file("demo/control.sock")}`;
    expect((await snapringAt(control, "snapshot", "create", "demo@kept", "--size", "8M")).code).toBe(0);
    await runOk("qemu-io", "-f", "raw", "-c", "write -P 0xab 16M 64K", live);
    await first.end("SIGTERM");
    const second = demo();
    await second.until(/as the last start left it/);
    await second.until(/^ {2}demo@kept +32 MiB/m);
    await second.until(/Ctrl-C ends/);
    await runOk("qemu-io", "-f", "raw", "-c", "read -P 0xab 16M 64K", live);
    const [status] = await second.until(/kept (\d+)\/\d+ \d+/);
    expect(Number(status.split(/[ /]/)[1])).toBeGreaterThan(64);
    expect((await second.end("SIGTERM")).code).toBe(0);
    renameSync(scratch.file("demo"), scratch.file("moved"));
    const { code, stderr } = await runCommand(process.execPath, MAIN, "demo", "--directory", scratch.file("moved"));
    expect(code).toBe(1);
    expect(stderr).toMatch(/was made at another place[\s\S]*remove .*moved\/state/);
    expect(existsSync(scratch.file("moved/origin.img"))).toBe(true);
  });
});

function snapringAt(control: string, ...words: readonly string[]): ReturnType<typeof runCommand> {
  const [command, verb, ...rest] = words as [string, string, ...string[]];
  return runCommand(process.execPath, MAIN, command, verb, "--control", control, ...rest);
}
