/**
 * A program that has a volume open ends like any other, at once and with its own code: by `process.exit`, an exception, a rejection, a
 * signal, or because the Worker that opened it is terminated. To the volume that is a crash: what was flushed is there afterwards.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { makeScratch, type Scratch } from "../support/free-socket.ts";
import { CmdFlag, NbdClient } from "../support/nbd-client.ts";
import { killVolumeProcesses, VolumeProcess } from "../support/volume-process.ts";

const MIB = 2 ** 20;
const PROGRAM = fileURLToPath(new URL("../support/abrupt-end.mjs", import.meta.url));

const children = new Set<ChildProcess>();
const scratches = new Set<Scratch>();

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
  await killVolumeProcesses();
  for (const scratch of scratches) await scratch.remove();
  scratches.clear();
});

/** How a program ends: exit code or signal, and something that it says on its standard error. */
const WAYS = {
  exit: { end: 3, says: /^$/ },
  throw: { end: 1, says: /thrown on purpose/ },
  reject: { end: 1, says: /rejected on purpose/ },
  SIGTERM: { end: "SIGTERM", says: /^$/ },
  terminate: { end: 1, says: /^$/ },
} as const;
type Way = keyof typeof WAYS;

interface Ended {
  readonly end: unknown;
  readonly stderr: string;
}

class Program {
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  readonly #way: Way;
  #stderr = "";

  private constructor(way: Way, folder: string, env: Readonly<Record<string, string>>) {
    this.#way = way;
    const argument = way === "SIGTERM" ? "signal" : way;
    this.child = spawn(process.execPath, [PROGRAM, argument, folder], { env: { ...process.env, ...env } });
    children.add(this.child);
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.#ended = once(this.child, "close");
  }

  /** Resolves when the volume is open. */
  static async start(way: Way, folder: string, env: Readonly<Record<string, string>>): Promise<Program> {
    const program = new Program(way, folder, env);
    const said = once(program.child.stdout as NodeJS.ReadableStream, "data").then(() => true);
    const opened = await Promise.race([said, program.#ended.then(() => false)]);
    if (!opened) throw new Error(`the program has ended: ${program.#stderr}`);
    return program;
  }

  async end(): Promise<Ended> {
    if (this.#way === "SIGTERM") this.child.kill("SIGTERM");
    else this.child.stdin?.write("now\n");
    const [code, signal] = await this.#ended;
    children.delete(this.child);
    return { end: code ?? signal, stderr: this.#stderr };
  }
}

/** Writes without an end, on both exports, with many requests under way; what was acknowledged with FUA is kept. */
class Load {
  readonly durable = new Map<number, Buffer>();
  readonly over: Promise<unknown>;

  constructor(clients: readonly NbdClient[]) {
    this.over = Promise.all(clients.flatMap((client, i) => [0, 1, 2, 3].map((j) => this.#write(client, 4 * i + j))));
  }

  async #write(client: NbdClient, lane: number): Promise<void> {
    const bytes = 8192;
    for (let i = 0; ; i++) {
      const at = lane * (MIB / 4) + (i % 32) * bytes;
      const data = dataPattern(bytes, 1 + ((lane * 32 + i) % 1000));
      this.durable.delete(at);
      try {
        await client.write(at, data, CmdFlag.Fua);
      } catch {
        return;
      }
      this.durable.set(at, data);
    }
  }
}

async function volumeFolder(): Promise<Scratch> {
  const scratch = await makeScratch();
  scratches.add(scratch);
  await writeFile(scratch.file("origin"), dataPattern(4 * MIB, 1));
  return scratch;
}

test.each<[string, readonly Way[], Readonly<Record<string, string>>]>([
  ["io_uring", ["exit", "throw", "reject", "SIGTERM", "terminate"], {}],
  ["plain system calls", ["exit", "terminate"], { SNAPRING_NO_URING: "1" }],
  ["no addon", ["exit", "terminate"], { SNAPRING_NO_NATIVE: "1" }],
])("a program that ends without closing its volume ends, with its own code (%s)", async (_, ways, env) => {
  // Its threads slept in the kernel, where node cannot interrupt them: it waited for them for ever.
  for (const way of ways) {
    const scratch = await volumeFolder();
    const { end, stderr } = await (await Program.start(way, scratch.file("."), env)).end();
    expect(end, way).toBe(WAYS[way].end);
    expect(stderr, way).toMatch(WAYS[way].says);
  }
});

test.each(["exit", "terminate"] as const)(
  "under load: a program that ends (%s) leaves what was flushed",
  async (way) => {
    const scratch = await volumeFolder();
    const program = await Program.start(way, scratch.file("."), {});
    const path = scratch.file("socket");
    const origin = await NbdClient.open({ path }, "");
    const load = new Load([origin, await NbdClient.open({ path }, "")]);
    while (load.durable.size < 40) await new Promise((next) => setTimeout(next, 5));
    expect((await program.end()).end).toBe(WAYS[way].end);
    await load.over;

    const volume = new VolumeProcess();
    await volume.open({
      origin: scratch.file("origin"),
      snapshots: [{ name: "monday", cow: scratch.file("monday.cow") }],
      listen: [`unix:${path}`],
    });
    const again = await NbdClient.open({ path }, "");
    for (const [at, data] of load.durable)
      expect((await again.read(at, data.length)).equals(data), `at ${at}`).toBe(true);
    const monday = await NbdClient.open({ path }, "monday");
    expect((await monday.read(0, 4 * MIB)).equals(dataPattern(4 * MIB, 1))).toBe(true);
    expect((await volume.status("monday")).state).toBe("active");
    await volume.close();
    expect(existsSync(path)).toBe(false);
  },
);
