/**
 * The socket file of another server: taken over only where nobody listens on it any more. And clients that come while nobody accepts.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { MAX_CONNECTIONS } from "../../src/base/constants.ts";
import { Front } from "../../src/engine/front.ts";
import { loadNative } from "../../src/device/native.ts";
import { Listener } from "../../src/engine/listener.ts";
import { SocketFile } from "../../src/engine/socket-file.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function scratch(): Promise<Scratch> {
  const made = await makeScratch();
  ends.push(() => made.remove());
  return made;
}

async function listener(): Promise<Listener> {
  const made = new Listener(new Front(), 0);
  ends.push(() => made.stop());
  return made;
}

/** Listens, says so, and then does nothing any more: who connects waits in its queue, until that is full. */
const BUSY = `
  const server = require("node:net").createServer();
  server.listen({ path: process.argv[1], backlog: 1 }, () => {
    require("node:fs").writeSync(1, "ready");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

test("a server that is too busy to accept keeps its socket", async () => {
  // Its queue was full, so the probe failed: that was taken for nobody, and the live server's file was removed.
  const path = (await scratch()).file("socket");
  const busy = spawn(process.execPath, ["-e", BUSY, path], { stdio: ["ignore", "pipe", "inherit"] });
  ends.push(() => busy.kill("SIGKILL"));
  await once(busy.stdout, "data");
  const waiting: Socket[] = [];
  ends.push(() => waiting.forEach((socket) => socket.destroy()));
  for (let full = false; !full; ) {
    const socket = connect(path);
    waiting.push(socket);
    full = await new Promise((resolve) => {
      socket.once("connect", () => resolve(false)).once("error", () => resolve(true));
    });
    expect(waiting.length).toBeLessThan(100);
  }
  const inode = statSync(path).ino;
  await expect((await listener()).listen({ unix: path })).rejects.toMatchObject({ code: "EADDRINUSE" });
  expect(statSync(path).ino).toBe(inode);
});

test("the file of a server that was killed is taken over", async () => {
  const path = (await scratch()).file("socket");
  const killed = spawn(process.execPath, ["-e", BUSY, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(killed.stdout, "data");
  killed.kill("SIGKILL");
  await once(killed, "exit");
  expect(existsSync(path)).toBe(true);
  const own = await listener();
  await own.listen({ unix: path });
  expect(own.addresses).toEqual([{ unix: path }]);
  await own.stop();
  expect(existsSync(path)).toBe(false);
});

test("a live server keeps its socket, and a second address that is refused does not keep the first", async () => {
  const folder = await scratch();
  const live = createServer().listen(folder.file("live"));
  ends.push(() => live.close());
  await once(live, "listening");
  const own = await listener();
  await own.listen({ unix: folder.file("own") });
  await expect(own.listen({ unix: folder.file("live") })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await own.stop();
  expect([existsSync(folder.file("own")), existsSync(folder.file("live"))]).toEqual([false, true]);
});

async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    ends.push(() => socket.destroy());
  });
}

test("a server that ends leaves the socket file of the next one alone", async () => {
  // node removes the name by which it had bound its socket, whoever's file that was by then: the next server could not be reached.
  const folder = await scratch();
  const path = folder.file("socket");
  const first = await listener();
  await first.listen({ unix: path });
  renameSync(path, folder.file("aside"));
  const second = await listener();
  await second.listen({ unix: path });
  const { ino } = statSync(path);
  await first.stop();
  expect(statSync(path).ino).toBe(ino);
  expect(await isAnswered(path)).toBe(true);
  await second.stop();
  expect(readdirSync(folder.path)).toEqual(["aside"]);
});

test("of many that find the same stale socket one takes it over, and the others are refused", async () => {
  // Each of them had found it stale, and the later ones removed the file of the first: it listened where nobody could come.
  const folder = await scratch();
  const path = folder.file("socket");
  const killed = spawn(process.execPath, ["-e", BUSY, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(killed.stdout, "data");
  killed.kill("SIGKILL");
  await once(killed, "exit");
  const starters = await Promise.all(Array.from({ length: 8 }, listener));
  const results = await Promise.allSettled(starters.map((one) => one.listen({ unix: path })));
  const refused = results.filter((one) => one.status === "rejected").map(({ reason }) => reason.code);
  expect(refused).toEqual(Array.from({ length: 7 }, () => "EADDRINUSE"));
  expect(await isAnswered(path)).toBe(true);
  expect(readdirSync(folder.path)).toEqual(["socket"]);
  for (const one of starters) await one.stop();
  expect(readdirSync(folder.path)).toEqual([]);
});

test("what is planted at the socket's name, or at its lock's, is neither followed nor removed", async () => {
  const folder = await scratch();
  const path = folder.file("socket");
  writeFileSync(folder.file("victim"), "secret", { mode: 0o600 });
  symlinkSync(folder.file("victim"), path);
  await expect((await listener()).listen({ unix: path })).rejects.toMatchObject({ code: "EEXIST" });
  renameSync(path, folder.file(".socket.lock"));
  symlinkSync(folder.file("nothing"), path);
  await expect((await listener()).listen({ unix: path })).rejects.toThrow(path);
  expect([readFileSync(folder.file("victim"), "utf8"), statSync(folder.file("victim")).mode & 0o777]).toEqual([
    "secret",
    0o600,
  ]);
  expect(existsSync(folder.file("nothing"))).toBe(false);
});

test("a socket gets the mode and the group that were asked for, whatever the umask, before anybody can connect", async () => {
  const path = (await scratch()).file("socket");
  const group = process.getuid?.() === 0 ? 1 : (process.getgid?.() ?? 0);
  const before = process.umask(0);
  try {
    const listen = async (at: string): Promise<void> => {
      // What stands there already has the umask's mode: nobody but its owner comes to it.
      expect(statSync(dirname(at)).mode & 0o777).toBe(0o700);
      const server = createServer().listen(at);
      ends.push(() => server.close());
      await once(server, "listening");
      expect(statSync(at).mode & 0o777).toBe(0o777);
      expect(existsSync(path)).toBe(false);
    };
    const file = await SocketFile.place(path, { mode: 0o640, group }, listen);
    ends.push(() => file.remove());
  } finally {
    process.umask(before);
  }
  const stat = statSync(path);
  expect([stat.mode & 0o777, stat.gid]).toEqual([0o640, group]);
  expect(await isAnswered(path)).toBe(true);
  expect(readdirSync(dirname(path))).toEqual(["socket"]);
});

test("a group that was asked for may connect, unless a mode says otherwise", async () => {
  const path = (await scratch()).file("socket");
  const own = await listener();
  const gid = process.getgid?.() ?? 0;
  const name = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((line) => line.split(":")[2] === String(gid))
    ?.split(":")[0];
  await own.listen({ unix: path }, { socketGroup: name ?? gid });
  const stat = statSync(path);
  expect([stat.mode & 0o777, stat.gid]).toEqual([0o660, gid]);
});

test("a group that nobody knows is refused in words, and nothing is left", async () => {
  const folder = await scratch();
  await expect(
    (await listener()).listen({ unix: folder.file("socket") }, { socketGroup: "no-such-group" }),
  ).rejects.toMatchObject({ code: "ENOENT", message: "there is no group named 'no-such-group'" });
  expect(readdirSync(folder.path)).toEqual([]);
});

test("what is no listening socket is refused in words as one that was inherited, and left open", async () => {
  const folder = await scratch();
  const server = createServer().listen(folder.file("live"));
  ends.push(() => server.close());
  await once(server, "listening");
  const file = openSync(folder.file("file"), "w");
  ends.push(() => closeSync(file));
  const { native } = loadNative();
  const pair = native?.socketPair();
  if (!Array.isArray(pair)) throw new Error("no pair of sockets");
  const closed = openSync(folder.file("file"), "r");
  closeSync(closed);
  const refusals: string[] = [];
  for (const fd of [file, pair[0], closed, (server as unknown as { _handle: { fd: number } })._handle.fd])
    refusals.push(
      await (await listener()).listen({ fd }).then(
        () => "none",
        ({ code, message }) => `${code} ${message}`,
      ),
    );
  expect(refusals.map((text) => text.replace(/fd:\d+/, "fd:N"))).toEqual([
    "ENOTSOCK cannot listen on fd:N: it is no socket",
    "EINVAL cannot listen on fd:N: it is no stream socket that listens",
    "EBADF cannot listen on fd:N: there is no such descriptor",
    "EADDRINUSE cannot listen on fd:N: it is in use in this process already",
  ]);
  for (const fd of pair) closeSync(fd);
  expect(await isAnswered(folder.file("live"))).toBe(true);
});

test("whatever the umask, only its owner may write to a socket", async () => {
  const path = (await scratch()).file("socket");
  const before = process.umask(0);
  try {
    await (await listener()).listen({ unix: path });
  } finally {
    process.umask(before);
  }
  expect(statSync(path).mode & 0o777).toBe(0o755);
});

/** Connects so many times, and says how many were turned away. */
const BURST = `
  const [path, count] = process.argv.slice(1);
  let left = Number(count), failed = 0;
  const over = () => --left === 0 && (require("node:fs").writeSync(1, String(failed)), process.exit());
  for (let i = left; i > 0; i--) {
    require("node:net").connect(path).once("connect", over).once("error", () => { failed += 1; over(); });
  }`;

test("as many clients as may come are not turned away while main is busy", async () => {
  // The queue was node's 511: of 755 that came at once, 243 got EAGAIN, and were counted nowhere.
  const path = (await scratch()).file("socket");
  await (await listener()).listen({ unix: path });
  const kernelMax = Number(readFileSync("/proc/sys/net/core/somaxconn", "latin1"));
  const count = Math.min(MAX_CONNECTIONS, kernelMax);
  // Nothing is accepted until the child has ended.
  const burst = spawnSync(process.execPath, ["-e", BURST, path, String(count)], { encoding: "latin1" });
  expect(burst.stdout).toBe("0");
});
