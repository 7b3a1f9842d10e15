/**
 * The control socket under clients of every kind: those that keep to its description, and those that do not.
 */
import { statSync } from "node:fs";
import { get, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { controlApp } from "../../src/control/app.ts";
import { DaemonBench, MIB, removeDaemons } from "../support/daemon-bench.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { ROOT } from "../tidy/repository.ts";

afterEach(removeDaemons);

interface Description {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { parameters?: { name: string; in: string }[]; responses: object }>>>
  >;
}

const PATHS = [
  "/v1/volumes",
  "/v1/volumes/a",
  "/v1/volumes/a/snapshots/s",
  "/v1/groups/g",
  "/v1/pools/p",
  "/v1/operations/op-1",
];
const METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE"];

/** To make the document anew: `npx vitest run test/threads/control.test.ts -u`. */
test("its description is docs/openapi.json", async () => {
  const bench = await DaemonBench.open();
  const { body } = await bench.ask("GET", "/v1/openapi.json");
  await expect(`${JSON.stringify(body, null, 2)}\n`).toMatchFileSnapshot(join(ROOT, "docs/openapi.json"));
});

test("its file is its owner's alone", async () => {
  const bench = await DaemonBench.open();
  expect(statSync(bench.file("control")).mode & 0o777).toBe(0o600);
});

describe("what is wrong", () => {
  test.each([
    ["no JSON", "PUT", "/v1/volumes/a", "{", 400, "bad-request"],
    ["a field that nobody knows", "PUT", "/v1/volumes/a", { origin: "/x", colour: "red" }, 400, "bad-request"],
    ["another type", "PUT", "/v1/volumes/a", { origin: 5 }, 400, "bad-request"],
    ["nothing at all", "PUT", "/v1/volumes/a", undefined, 400, "bad-request"],
    ["a size that is no multiple of a sector", "PUT", "/v1/volumes/a/snapshots/s", { size: 1000 }, 400, "bad-request"],
    ["a query of another kind", "GET", "/v1/operations/op-1?wait=soon", undefined, 400, "bad-request"],
    ["a parameter that nobody knows", "DELETE", "/v1/volumes/a/snapshots/s?dryrun=1", undefined, 400, "bad-request"],
    ["one where there is none", "DELETE", "/v1/volumes/a?dryRun=1", undefined, 400, "bad-request"],
    ["a path that is none", "GET", "/v1/nothing", undefined, 404, "not-here"],
    ["a path above", "GET", "/../etc/passwd", undefined, 404, "not-here"],
    ["a method that is none there", "DELETE", "/v1/volumes", undefined, 404, "not-here"],
    ["a volume that is not there", "DELETE", "/v1/volumes/a/snapshots/s", undefined, 404, "not-found"],
    ["an encoding that is none", "GET", "/v1/volumes/%ZZ", undefined, 400, "bad-request"],
    ["ten megabytes", "PUT", "/v1/volumes/a", `{"origin":"${"x".repeat(10 * MIB)}"}`, 413, "too-large"],
  ] as const)("%s is refused in words, and the daemon goes on", async (_, method, path, body, status, code) => {
    const bench = await DaemonBench.open();
    const answer = await bench.ask(method, path, body).catch(() => undefined);
    // Who sends more than is taken may be cut off before he has read the answer.
    if (answer !== undefined || status !== 413) expect(answer).toMatchObject({ status, body: { code, status } });
    expect((await bench.ask("GET", "/v1")).body).toMatchObject({ phase: "ready" });
    expect(bench.lines.filter((line) => line.startsWith("DEFECT"))).toEqual([]);
  });

  test("whatever is asked, there is an answer of its description, and no defect", { timeout: 120_000 }, async () => {
    const bench = await DaemonBench.open();
    const name = fc.oneof(fc.string(), fc.constantFrom("a", "__proto__", "constructor", "..", "a@b", "💾", " "));
    const path = fc.oneof(
      fc.constantFrom(...PATHS),
      name.map((one) => `/v1/volumes/${encodeURIComponent(one)}`),
      fc.tuple(name, name).map(([a, b]) => `/v1/volumes/${encodeURIComponent(a)}/snapshots/${encodeURIComponent(b)}`),
      name.map((one) => `/v1/groups/${encodeURIComponent(one)}`),
      name.map((one) => `/v1/pools/${encodeURIComponent(one)}`),
    );
    const key = fc.constantFrom(
      "origin",
      "size",
      "dir",
      "members",
      "paused",
      "throttle",
      "grow",
      "whenFull",
      "device",
      "pool",
    );
    const body = fc.oneof(fc.json(), fc.dictionary(key, fc.jsonValue()), fc.constant(undefined));
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`seed ${seed}`);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...METHODS), path, body, async (method, at, content) => {
        const { status, body: answered } = await bench.ask<{ code?: string; status?: number }>(
          method,
          at,
          method === "GET" ? undefined : content,
        );
        expect(status).not.toBe(500);
        if (status >= 400)
          expect(answered).toMatchObject({ status, code: expect.any(String), detail: expect.any(String) });
      }),
      { numRuns: 200, seed },
    );
    expect(bench.lines.filter((line) => line.startsWith("DEFECT"))).toEqual([]);
    expect((await bench.ask("GET", "/v1/volumes")).body).toEqual({ volumes: [] });
  });

  test("a client that calls everything JSON, also nothing, is understood", async () => {
    const bench = await DaemonBench.open();
    await bench.addVolume("a");
    expect((await bench.ask("POST", "/v1/volumes/a/open", "")).status).toBe(200);
    expect((await bench.ask("DELETE", "/v1/volumes/a/snapshots/s", "")).status).toBe(204);
    expect((await bench.ask("DELETE", "/v1/volumes/a", "")).status).toBe(204);
  });

  test("every path of its description answers, with a status that it names", async () => {
    const bench = await DaemonBench.open();
    const description = (await bench.ask<Description>("GET", "/v1/openapi.json")).body;
    for (const [path, methods] of Object.entries(description.paths))
      for (const method of Object.keys(methods)) {
        if (path === "/v1/events") continue;
        const at = path.replace(/\{(\w+)\}/g, "none");
        const { status } = await bench.askText(method.toUpperCase(), at);
        expect(status, `${method} ${path}`).toBeLessThan(500);
      }
  });
});

test("what is no request at all is refused as a problem, too", async () => {
  const bench = await DaemonBench.open();
  const socket = connect(bench.file("control"));
  socket.write("HELLO\r\n\r\n");
  let text = "";
  for await (const part of socket.setEncoding("utf8") as AsyncIterable<string>) text += part;
  expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*application\/problem\+json[\s\S]*"code":"bad-request"/);
});

describe("who takes more than his share", () => {
  test("connections that say nothing, or half a request, keep nobody out for good", { timeout: 60_000 }, async () => {
    const bench = await DaemonBench.open();
    const sockets: Socket[] = [];
    for (let i = 0; i < 1000; i++) {
      const socket = connect(bench.file("control"));
      socket.on("error", () => {});
      socket.write(i % 2 === 0 ? "" : "PUT /v1/volumes/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
      sockets.push(socket);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(async () => (await bench.ask("GET", "/v1").catch(() => ({ status: 0 }))).status, { timeout: 30_000 })
      .toBe(200);
  });

  test("who does not take his events is cut off, and the daemon goes on", async () => {
    const bench = await DaemonBench.open();
    const stream = await open(bench, "/v1/events");
    stream.pause();
    const gone = new Promise((resolve) => stream.once("close", resolve));
    stream.on("error", () => {});
    for (let i = 0; i < 20_000; i++) bench.daemon.journal.add({ type: "snapshot", data: { padding: "x".repeat(200) } });
    await bench.daemon.journal.settled();
    stream.resume();
    await gone;
    expect((await bench.ask("GET", "/v1")).status).toBe(200);
  });
});

function open(bench: DaemonBench, path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ socketPath: bench.file("control"), path, headers }, resolve).on("error", reject);
  });
}

describe("events", () => {
  /** Ids of the next so many. */
  async function take(stream: IncomingMessage, count: number): Promise<number[]> {
    const ids: number[] = [];
    stream.setEncoding("utf8");
    let rest = "";
    for await (const part of stream as AsyncIterable<string>) {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("id: ")) ids.push(Number(line.slice(4)));
      if (ids.length >= count) break;
    }
    return ids;
  }

  test("come as they happen, and who comes back with his last id, after a restart, too, misses none and has none twice", async () => {
    const bench = await DaemonBench.open();
    const first = await open(bench, "/v1/events?after=0");
    const seen = await take(first, 2);
    first.destroy();
    await bench.addVolume("a");
    await bench.restart();
    const last = seen.at(-1) ?? 0;
    const { lastEventId } = (await bench.ask<{ lastEventId: number }>("GET", "/v1")).body;
    const second = await open(bench, "/v1/events", { "last-event-id": String(last) });
    const more = await take(second, lastEventId - last);
    second.destroy();
    expect([...seen, ...more]).toEqual(Array.from({ length: lastEventId }, (_, i) => i + 1));
  });

  test("can be those of one volume", async () => {
    const bench = await DaemonBench.open();
    await bench.addVolume("a");
    await bench.addVolume("b");
    const expected = (await bench.events()).filter(({ volume }) => volume === "b").map(({ id }) => id);
    const stream = await open(bench, "/v1/events?volume=b&after=0");
    expect(await take(stream, expected.length)).toEqual(expected);
    stream.destroy();
  });

  // All were written at once, more than may wait unread: whoever was far behind was cut off before his first one, each time that he came back.
  test("of a client that is far behind are all told, at the pace at which it reads, and it goes on with new ones", async () => {
    const bench = await DaemonBench.open();
    const { journal } = bench.daemon;
    const many = 12_000;
    for (let i = 0; i < many; i++) journal.add({ type: "snapshot", data: { padding: "x".repeat(300) } });
    await journal.settled();
    const stream = await open(bench, "/v1/events", { "last-event-id": "1" });
    const ids = take(stream, journal.lastId);
    const more = setInterval(() => journal.add({ type: "snapshot" }), 1);
    try {
      expect(await ids).toEqual(Array.from({ length: (await ids).length }, (_, i) => i + 2));
    } finally {
      clearInterval(more);
      stream.destroy();
    }
    expect((await ids).length).toBeGreaterThan(many);
  });

  test("of a volume that nobody knows are refused, those of one that was there before are told", async () => {
    const bench = await DaemonBench.open();
    expect(await bench.ask("GET", "/v1/events?volume=typo")).toMatchObject({
      status: 404,
      body: { code: "not-found" },
    });
    await bench.addVolume("a");
    await bench.ask("DELETE", "/v1/volumes/a");
    const stream = await open(bench, "/v1/events?volume=a&after=0");
    // All that there are may come in one piece.
    expect((await take(stream, 2)).length).toBeGreaterThanOrEqual(2);
    stream.destroy();
  });

  test("end with the daemon", async () => {
    const bench = await DaemonBench.open();
    const stream = await open(bench, "/v1/events");
    const ended = new Promise((resolve) => stream.once("close", resolve));
    stream.on("error", () => {});
    stream.resume();
    await bench.stop();
    await ended;
  });
});

describe("an NBD session through the control socket", () => {
  async function upgraded(
    bench: DaemonBench,
    path: string,
    upgrade = "nbd",
  ): Promise<{ status: number; socket?: Socket }> {
    return await new Promise((resolve, reject) => {
      const sent = request({
        socketPath: bench.file("control"),
        method: "POST",
        path,
        headers: { connection: "Upgrade", upgrade },
      });
      sent.on("upgrade", (response, stream, head) => {
        const socket = stream as Socket;
        if (head.length > 0) socket.unshift(head);
        resolve({ status: response.statusCode ?? 0, socket });
      });
      sent.on("response", (response) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0 });
      });
      sent.on("error", reject);
      sent.end();
    });
  }

  test("is one like any other", async () => {
    const bench = await DaemonBench.open();
    await bench.addVolume("a");
    const { status, socket } = await upgraded(bench, "/v1/volumes/a/nbd");
    expect(status).toBe(101);
    const client = await NbdClient.over(socket as Socket, "a");
    expect((await client.read(0, MIB)).equals(bench.before("a").subarray(0, MIB))).toBe(true);
    await client.write(0, Buffer.alloc(4096));
    client.destroy();
  });

  test("is refused in words for what is not there, and for another protocol", async () => {
    const bench = await DaemonBench.open();
    await bench.addVolume("a");
    expect((await upgraded(bench, "/v1/volumes/b/nbd")).status).toBe(404);
    expect((await upgraded(bench, "/v1/volumes")).status).toBe(404);
    expect((await upgraded(bench, "/v1/volumes/%ZZ/nbd")).status).toBe(400);
    expect((await upgraded(bench, "/v1/volumes/a/nbd", "websocket")).status).toBe(400);
  });
});

test("metrics are there for who asks, of volumes that are open and that are not", async () => {
  const bench = await DaemonBench.open();
  await bench.addVolume("a");
  const app = await controlApp(bench.daemon, { log: () => {}, droppedLogLines: () => 3 });
  const { statusCode, headers, body } = await app.inject({ method: "GET", url: "/metrics" });
  await app.close();
  expect([statusCode, headers["content-type"]]).toEqual([200, expect.stringMatching(/openmetrics-text/)]);
  expect(body).toMatch(/^snapring_volume_state\{volume="a",state="open"\} 1$/m);
  expect(body).toMatch(/^snapring_log_lines_dropped_total 3$/m);
  expect(body.trimEnd().endsWith("# EOF")).toBe(true);
});
