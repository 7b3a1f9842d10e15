/**
 * The daemon as a process: spoken to by the command, killed amid creations, and started by what starts daemons. How it lives is in living.test.ts.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import type { NbdClient } from "../support/nbd-client.ts";
import { MAIN } from "../support/server.ts";

const MIB = 2 ** 20;
const KILLS = 5;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

class TestedDaemon extends DaemonProcess {
  constructor(scratch: Scratch) {
    super(scratch);
    ends.push(async () => {
      await this.kill();
      await scratch.remove();
    });
  }

  ok(...words: readonly string[]): string {
    const { code, out, err } = this.command(...words);
    expect([code, err]).toEqual([0, ""]);
    return out;
  }

  json(...words: readonly string[]): Record<string, unknown> {
    return JSON.parse(this.ok(...words, "--json")) as Record<string, unknown>;
  }

  override async connect(name: string): Promise<NbdClient> {
    const client = await super.connect(name);
    ends.push(() => client.destroy());
    return client;
  }
}

async function running(): Promise<TestedDaemon> {
  const daemon = new TestedDaemon(await makeScratch());
  writeFileSync(daemon.file("a.img"), dataPattern(4 * MIB, 1));
  mkdirSync(daemon.file("pool"));
  await daemon.listen();
  return daemon;
}

test("each command says what it has done, again when it is said again, and a refusal is one line and an exit code", async () => {
  const daemon = await running();
  expect(daemon.ok("volume", "add", "a", daemon.file("a.img"))).toMatch(/^a +open +4 MiB +0 /m);
  expect(daemon.ok("pool", "create", "default", daemon.file("pool"), "--limit", "32M")).toMatch(/32 MiB/);
  expect(
    daemon.ok("snapshot", "create", "a@one", "--size", "2M", "--grow", "1M,at=50,max=8M", "--when-full", "stall,30"),
  ).toMatch(/^a@one on .*held for/);
  expect(
    daemon.ok("snapshot", "create", "a@one", "--size", "2M", "--grow", "1M,at=50,max=8M", "--when-full", "stall,30"),
  ).toMatch(/as it was$/m);
  expect(daemon.command("snapshot", "create", "a@one", "--size", "4M")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/differs in: size/),
  });
  expect(daemon.command("snapshot", "create", "a", "--size", "4M")).toMatchObject({ code: 2 });
  expect(daemon.json("snapshot", "show", "a@one")).toMatchObject({
    whenFull: "stall",
    stallSeconds: 30,
    grow: { by: MIB },
  });
  const client = await daemon.connect("a");
  await client.write(0, Buffer.alloc(MIB));
  expect(daemon.ok("snapshot", "list", "a")).toMatch(/^a@one +active +[\d.]+ %/m);
  expect(daemon.ok("snapshot", "set", "a@one", "--no-grow", "--when-full", "invalidate")).toMatch(/invalidate/);
  expect(daemon.ok("snapshot", "grow", "a@one", "6M")).toBe("grow a@one: done\n");
  expect(daemon.ok("merge", "start", "a@one")).toMatch(/^merge a@one +100 % +done$/m);
  expect((await client.read(0, MIB)).equals(dataPattern(4 * MIB, 1).subarray(0, MIB))).toBe(true);
  expect(daemon.ok("operation", "list")).toMatch(/^op-\d+ +merge a@one +done/m);
  expect(daemon.ok("snapshot", "drop", "a@one", "--dry-run")).toMatch(/removes its file/);
  expect(daemon.ok("snapshot", "drop", "a@one")).toBe("drop a@one: done\n");
  expect(daemon.ok("snapshot", "drop", "a@one")).toBe("a@one is not there\n");
  expect(daemon.ok("top", "--rounds", "1")).toMatch(/^EXPORT[\s\S]*^a +/m);
  expect(daemon.command("volume", "show", "none", "--json")).toMatchObject({
    code: 1,
    out: expect.stringMatching(/"code":"not-found"/),
  });
  daemon.ok("volume", "remove", "a");
  expect(await daemon.stop()).toBe(0);
  expect(existsSync(daemon.file("control"))).toBe(false);
  expect(daemon.command("volume", "list")).toMatchObject({ code: 1, err: expect.stringMatching(/no daemon listens/) });
});

test("killed at whatever moment, it comes back with every snapshot that was answered, right, and no event twice (S-80)", {
  timeout: 300_000,
}, async () => {
  const daemon = await running();
  daemon.ok("volume", "add", "a", daemon.file("a.img"));
  daemon.ok("pool", "create", "default", daemon.file("pool"));
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  let random = seed;
  const next = (below: number): number => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return random % below;
  };
  let model = dataPattern(4 * MIB, 1);
  const made = new Map<string, Buffer>();
  for (let round = 0; round < KILLS; round++) {
    const client = await daemon.connect("a");
    const at = 65_536 * next(60);
    const data = dataPattern(65_536, 10 + round);
    await client.write(at, data);
    await client.flush();
    model = Buffer.from(model);
    data.copy(model, at);
    const name = `s${round}`;
    const making = spawn(process.execPath, [MAIN, "snapshot", "create", `a@${name}`, "--size", "8M"], {
      env: { ...process.env, SNAPRING_CONTROL: `unix:${daemon.file("control")}` },
    });
    const answered = new Promise<boolean>((resolve) => making.once("exit", (code) => resolve(code === 0)));
    // Within or behind the creation: the command alone takes some hundred milliseconds to start.
    await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, next(900)))]);
    await daemon.kill();
    const isAnswered = await answered;
    await daemon.start(["--listen", `unix:${daemon.file("nbd")}`]);
    const there = (daemon.json("snapshot", "list")["snapshots"] as { name: string }[]).map((one) => one.name);
    if (isAnswered) expect(there).toContain(name);
    if (there.includes(name)) made.set(name, model);
    expect(there.sort()).toEqual([...made.keys()].sort());
    for (const [snapshot, content] of made) {
      const reader = await daemon.connect(`a@${snapshot}`);
      expect((await reader.read(0, 4 * MIB)).equals(content), `${snapshot}, seed ${seed}`).toBe(true);
    }
  }
  expect(await daemon.stop()).toBe(0);
  const lines = [0, 1].map((n) => `state/events.${n}.jsonl`).filter((path) => existsSync(daemon.file(path)));
  const events = lines
    .flatMap((path) => readFileSync(daemon.file(path), "utf8").split("\n"))
    .filter((line) => line.startsWith("{"));
  const all = events
    .map((line) => JSON.parse(line) as { id: number; type: string; snapshot?: string })
    .sort((a, b) => a.id - b.id);
  expect(all.map(({ id }) => id)).toEqual(all.map((_, i) => i + 1));
  expect(
    all
      .filter(({ type }) => type === "snapshot-created")
      .map(({ snapshot }) => snapshot)
      .sort(),
  ).toEqual([...made.keys()].sort());
});

test("a second daemon, a damaged state and a control socket in use are refused in words, and harm nothing", async () => {
  const daemon = await running();
  daemon.ok("volume", "add", "a", daemon.file("a.img"));
  expect(daemon.command("daemon", "--state", daemon.file("state"))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/another daemon has/),
  });
  expect(daemon.command("daemon", "--state", daemon.file("other"))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/another server is listening/),
  });
  expect(daemon.ok("volume", "list")).toMatch(/^a +open/m);
  expect(await daemon.stop()).toBe(0);
  const path = daemon.file("state/state.json");
  writeFileSync(path, readFileSync(path, "utf8").replace("a.img", "b.img"));
  expect(daemon.command("daemon", "--state", daemon.file("state"))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/is damaged/),
  });
});

test("where its state cannot be written it does not start, and says why; what was there is there", async () => {
  const daemon = await running();
  daemon.ok("volume", "add", "a", daemon.file("a.img"));
  expect(await daemon.stop()).toBe(0);
  const state = daemon.file("state");
  const before = readFileSync(`${state}/state.json`);
  execFileSync("mount", ["--bind", state, state]);
  ends.push(() => void execFileSync("umount", [state]));
  execFileSync("mount", ["-o", "remount,ro,bind", state]);
  const refused = daemon.command("daemon", "--state", state);
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(/state[\s\S]*read-only/);
  expect(readFileSync(`${state}/state.json`).equals(before)).toBe(true);
});

test("an address that other machines may reach is warned of; those of this machine are not", async () => {
  const daemon = new TestedDaemon(await makeScratch());
  await daemon.start(["--listen", "tcp:0.0.0.0:0", "--listen", "tcp:127.0.0.1:0", "--listen", "tcp:[::1]:0"]);
  expect(daemon.log.match(/may be reached from other machines/g)).toHaveLength(1);
  expect(daemon.log).toMatch(/tcp:0\.0\.0\.0:0 may be reached/);
  expect(await daemon.stop()).toBe(0);
});

test("started by systemd it takes the sockets that were bound, and says when it is ready and when it stops", async () => {
  const scratch = await makeScratch();
  const daemon = new TestedDaemon(scratch);
  writeFileSync(daemon.file("a.img"), dataPattern(MIB, 1));
  const receiver = spawn("/usr/bin/python3", ["-u", "-c", RECEIVER, daemon.file("notify")]);
  ends.push(() => receiver.kill());
  let heard = "";
  receiver.stdout.setEncoding("utf8").on("data", (text: string) => (heard += text));
  await expect.poll(() => heard).toMatch(/listening/);
  const launcher = spawn(
    "/usr/bin/python3",
    [
      "-c",
      LAUNCHER,
      daemon.file("control"),
      daemon.file("nbd"),
      process.execPath,
      MAIN,
      "daemon",
      "--state",
      daemon.file("state"),
    ],
    {
      env: { ...process.env, NOTIFY_SOCKET: daemon.file("notify"), SNAPRING_CONTROL: `unix:${daemon.file("nowhere")}` },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  daemon.child = launcher;
  await expect.poll(() => heard, { timeout: 60_000 }).toMatch(/READY=1/);
  expect(daemon.ok("volume", "add", "a", daemon.file("a.img"))).toMatch(/open/);
  expect((await (await daemon.connect("a")).read(0, 4096)).length).toBe(4096);
  launcher.kill("SIGHUP");
  await expect.poll(() => heard).toMatch(/RELOADING=1[\s\S]*READY=1/);
  expect(await daemon.stop()).toBe(0);
  await expect.poll(() => heard).toMatch(/STOPPING=1/);
  // They are systemd's, and stay.
  expect([existsSync(daemon.file("control")), existsSync(daemon.file("nbd"))]).toEqual([true, true]);
});

test("who embeds the engine loads nothing of the daemon's", () => {
  const library = fileURLToPath(new URL("../../dist/src/index.js", import.meta.url));
  const program = `import(process.argv[1]).then(async ({ openEngine }) => (await openEngine({ workers: 1 })).close())`;
  const { stderr, status } = spawnSync(process.execPath, ["-e", program, library], {
    encoding: "utf8",
    maxBuffer: 256 * MIB,
    env: { ...process.env, NODE_DEBUG: "esm,module" },
  });
  expect(status).toBe(0);
  const packages = [...stderr.matchAll(/node_modules\/((?:@[\w-]+\/)?[\w-]+)\//g)].map(([, name]) => name);
  expect([...new Set(packages)].filter((name) => !["valibot", "piscina"].includes(name))).toEqual([]);
  expect(packages).toContain("valibot");
});

const RECEIVER = `
import socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print("listening", flush=True)
while True:
    print(receiver.recv(4096).decode(), flush=True)
`;

/** As systemd does it: bound sockets from descriptor 3 on, and then the program in the same process. */
const LAUNCHER = `
import os, socket, sys
held = []
for at, path in enumerate(sys.argv[1:3]):
    one = socket.socket(socket.AF_UNIX)
    one.bind(path)
    one.listen(64)
    held.append(os.dup(one.fileno()))
    one.close()
for at, fd in enumerate(held):
    os.dup2(fd, 100 + at, inheritable=False)
for at in range(2):
    os.dup2(100 + at, 3 + at, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="control:nbd")
os.execv(sys.argv[3], sys.argv[3:])
`;
