/**
 * Many volumes on the threads of one engine, as a program opens them: their exports at one address, their comings and goings under clients, and that
 * what befalls one is not the others'.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Core } from "../../src/core/core.ts";
import { Threads } from "../../src/engine/threads.ts";
import { type Engine, type EngineOptions, openEngine, type Volume } from "../../src/index.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";

const MIB = 2 ** 20;
const UNKNOWN_MESSAGE = 999;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const end of ends.splice(0).reverse()) await end();
});

class Bench {
  readonly engine: Engine;
  readonly #scratch: Scratch;

  private constructor(engine: Engine, scratch: Scratch) {
    this.engine = engine;
    this.#scratch = scratch;
  }

  static async open(options: EngineOptions = {}): Promise<Bench> {
    const scratch = await makeScratch();
    ends.push(() => scratch.remove());
    const engine = await openEngine({ workers: 2, listen: [`unix:${scratch.file("engine")}`], ...options });
    ends.push(() => engine.close());
    return new Bench(engine, scratch);
  }

  file(name: string): string {
    return this.#scratch.file(name);
  }

  /** What the origin of a volume holds at first. */
  before(name: string): Buffer {
    return dataPattern(MIB, name.charCodeAt(0) % 100);
  }

  async volume(name: string, snapshots: readonly string[] = [], listen: readonly string[] = []): Promise<Volume> {
    const origin = this.file(name);
    writeFileSync(origin, this.before(name));
    return await this.engine.openVolume({
      name,
      origin,
      listen,
      snapshots: snapshots.map((one) => ({ name: one, cow: `${origin}.${one}`, size: 4 * MIB })),
    });
  }

  async connect(name: string, path = "engine"): Promise<NbdClient> {
    const client = await NbdClient.open({ path: this.file(path) }, name);
    ends.push(() => client.destroy());
    return client;
  }
}

describe("the engine's address", () => {
  test("has every volume under its name, and each snapshot behind an @", async () => {
    const bench = await Bench.open();
    await bench.volume("a", ["monday"]);
    await bench.volume("b", ["monday", "tuesday"]);
    for (const name of ["a", "b"]) {
      const [live, snapshot] = [await bench.connect(name), await bench.connect(`${name}@monday`)];
      await live.write(0, dataPattern(8192, 99));
      expect((await live.read(0, 8192)).equals(dataPattern(8192, 99))).toBe(true);
      expect((await snapshot.read(0, MIB)).equals(bench.before(name))).toBe(true);
    }
    for (const none of ["", "origin", "a@tuesday", "a@origin", "a@", "c", "monday", "@monday"]) {
      await expect(bench.connect(none), none).rejects.toThrow();
    }
    expect(bench.engine.uris("b@tuesday")[0]).toMatch(/^nbd\+unix:\/\/\/b%40tuesday\?socket=\//);
  });

  test("the empty name is the live volume where there is one only", async () => {
    const bench = await Bench.open();
    await bench.volume("a");
    expect((await (await bench.connect("")).read(0, 512)).equals(bench.before("a").subarray(0, 512))).toBe(true);
  });

  test("a volume's own addresses have the old names, and none of another's", async () => {
    const bench = await Bench.open({ listen: [] });
    const own = `unix:${bench.file("own")}`;
    await bench.volume("a", ["monday"], [own]);
    await bench.volume("b", ["tuesday"]);
    for (const name of ["", "origin", "monday"]) {
      const client = await bench.connect(name, "own");
      expect((await client.read(0, 4096)).equals(bench.before("a").subarray(0, 4096))).toBe(true);
    }
    for (const none of ["a", "b", "tuesday", "a@monday"]) await expect(bench.connect(none, "own")).rejects.toThrow();
  });
});

describe("volumes come and go", () => {
  test("under clients of others, and a name and its devices may be used again", async () => {
    const bench = await Bench.open();
    const stays = await bench.volume("a", ["monday"]);
    const client = await bench.connect("a");
    const devices = bench.engine.stats().devices;
    for (let round = 0; round < 3; round++) {
      const goes = await bench.volume("b", ["monday"]);
      const other = await bench.connect("b");
      await other.write(0, dataPattern(4096, round));
      const closed = other.stream.ended();
      await goes.close();
      await closed;
      await expect(bench.connect("b")).rejects.toThrow();
      await client.write(4096 * round, dataPattern(4096, round));
      expect((await client.read(4096 * round, 4096)).equals(dataPattern(4096, round))).toBe(true);
      expect([bench.engine.stats().devices, [...bench.engine.volumes.keys()]]).toEqual([devices, ["a"]]);
      await bench.engine.openVolume({ name: "c", origin: bench.file("b"), abandon: ["monday"] }).then((v) => v.close());
    }
    expect(stays.status("monday").state).toBe("active");
  });

  test("several at a time, in the order in which they are ready", async () => {
    const bench = await Bench.open();
    const names = [..."abcdefgh"];
    await Promise.all(names.map((name) => bench.volume(name, ["monday"])));
    expect([...bench.engine.volumes.keys()].sort()).toEqual(names);
    expect(new Set(bench.engine.stats().volumes)).toEqual(new Set(names));
  });

  test("what is refused leaves the engine as it was", async () => {
    const bench = await Bench.open();
    await bench.volume("a");
    const devices = bench.engine.stats().devices;
    await expect(bench.volume("a")).rejects.toMatchObject({ code: "EEXIST" });
    await expect(bench.engine.openVolume({ name: "b", origin: bench.file("none") })).rejects.toMatchObject({
      code: "ENOENT",
    });
    await expect(bench.engine.openVolume({ name: "b", origin: bench.file("a") })).rejects.toMatchObject({
      code: "EBUSY",
    });
    for (const name of ["", "b@c", "b\0", "b".repeat(256)])
      await expect(bench.engine.openVolume({ name, origin: "o" }), name).rejects.toMatchObject({ option: "name" });
    expect([bench.engine.stats().devices, bench.engine.stats().volumes]).toEqual([devices, ["a"]]);
    await bench.volume("b");
    await bench.engine.close();
    await expect(bench.volume("c")).rejects.toMatchObject({ code: "ESHUTDOWN" });
  });
});

describe("what befalls one volume", () => {
  test("a defect of its core is its own: the others go on, and it can be closed and opened again", async () => {
    const bench = await Bench.open();
    const [a, b] = [await bench.volume("a", ["monday"]), await bench.volume("b", ["monday"])];
    const [ofA, ofB] = [await bench.connect("a"), await bench.connect("b")];
    const died = new Promise<Error>((resolve) => a.once("error", resolve));
    const turn = Core.prototype.turn;
    let planted: Core | undefined;
    vi.spyOn(Core.prototype, "needOrigin").mockImplementationOnce(function needOrigin(this: Core) {
      planted = this;
      throw new Error("planted");
    });
    vi.spyOn(Core.prototype, "turn").mockImplementation(function turned(this: Core) {
      expect(this).not.toBe(planted);
      turn.call(this);
    });
    const ended = ofA.stream.ended();
    // More than one worker fills by itself: main is asked.
    await expect(ofA.write(0, dataPattern(256 * 1024, 5))).rejects.toThrow();
    expect((await died).message).toContain("planted");
    await ended;
    await ofB.write(0, dataPattern(256 * 1024, 6));
    expect((await ofB.read(0, 4096)).equals(dataPattern(256 * 1024, 6).subarray(0, 4096))).toBe(true);
    await a.close();
    vi.restoreAllMocks();
    const again = await bench.engine.openVolume({
      name: "a",
      origin: bench.file("a"),
      snapshots: [{ name: "monday", cow: bench.file("a.monday") }],
    });
    expect([again.status("monday").state, b.status("monday").state]).toEqual(["active", "active"]);
    expect((await (await bench.connect("a@monday")).read(0, MIB)).equals(bench.before("a"))).toBe(true);
  });

  test("the death of a thread is everybody's", async () => {
    let threads: Threads | undefined;
    const open = Threads.open.bind(Threads);
    vi.spyOn(Threads, "open").mockImplementation(async (options) => {
      threads = await open(options);
      return threads;
    });
    const bench = await Bench.open();
    const volumes = [await bench.volume("a", ["monday"]), await bench.volume("b")];
    const died = volumes.map((volume) => new Promise<Error>((resolve) => volume.once("error", resolve)));
    const client = await bench.connect("b");
    const ended = client.stream.ended();
    threads?.metadata.outbox.send(UNKNOWN_MESSAGE, 0, 0);
    threads?.metadata.outbox.flush();
    for (const error of await Promise.all(died)) expect(error.message).toContain("metadata worker 0 has died");
    await ended;
    for (const volume of volumes) await volume.close();
    await expect(bench.volume("c")).rejects.toThrow("has died");
  });
});

test("threads are the engine's: as many for sixteen volumes as for one, and none when it is closed", async () => {
  const count = (): number => readdirSync("/proc/self/task").length;
  const before = count();
  const bench = await Bench.open();
  await bench.volume("a", ["monday"]);
  const one = count();
  for (const name of "bcdefghijklmnop") await bench.volume(name, ["monday"]);
  // node's own pool may grow by its four.
  expect(count() - one).toBeLessThanOrEqual(4);
  await bench.engine.close();
  await expect.poll(() => count() - before).toBeLessThanOrEqual(4);
});

describe("an engine that holds its clients", () => {
  test("lets them wait, connected, until it admits them: who comes while volumes are opened finds them", async () => {
    const bench = await Bench.open({ hold: true });
    const early = bench.connect("a");
    let isServed = false;
    void early.then(() => {
      isServed = true;
    });
    await bench.volume("a");
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(isServed).toBe(false);
    bench.engine.admit();
    bench.engine.admit();
    expect((await (await early).read(0, MIB)).equals(bench.before("a"))).toBe(true);
    expect((await (await bench.connect("a")).read(0, 512)).length).toBe(512);
  });

  test("closes those who wait when it is closed, and admits nobody then", async () => {
    const bench = await Bench.open({ hold: true });
    const early = bench.connect("a");
    const refused = expect(early).rejects.toThrow();
    // Its connection has been accepted when a later one has.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await bench.engine.close();
    bench.engine.admit();
    await refused;
  });
});

describe("a client that comes some other way than to an address", () => {
  /** Sockets that a server of the program's has accepted. */
  async function accepting(bench: Bench, adopt: (socket: Socket) => void): Promise<void> {
    const server = createServer({ pauseOnConnect: true }, adopt);
    await new Promise<void>((resolve) => {
      server.listen(bench.file("own"), resolve);
    });
    ends.push(() => server.close());
  }

  test("is served like any other, also by an engine without addresses", async () => {
    const bench = await Bench.open({ listen: [] });
    await bench.volume("a", ["monday"]);
    await accepting(bench, (socket) => bench.engine.serve(socket));
    const client = await bench.connect("a@monday", "own");
    expect((await client.read(0, MIB)).equals(bench.before("a"))).toBe(true);
    expect(bench.engine.stats().clients.connections).toBe(1);
  });

  test("is refused where the engine is closed, and where its socket has no descriptor", async () => {
    const bench = await Bench.open();
    expect(() => bench.engine.serve(new Socket())).toThrow(expect.objectContaining({ code: "EINVAL" }));
    await bench.engine.close();
    expect(() => bench.engine.serve(new Socket())).toThrow(expect.objectContaining({ code: "ESHUTDOWN" }));
  });
});
