/**
 * An upgrade is a stop and a start: clients that connect again go on over it, and miss no byte. Shown with nbdkit's `retry` filter and with qemu's `reconnect-delay`,
 * each of which serves again what it gets from the daemon, so that fio and a writer with a model can be its clients.
 *
 *   fio, writer ── NBD ──▶ nbdkit nbd --filter=retry ─────────────────┐
 *   fio, writer ── NBD ──▶ qemu-storage-daemon, reconnect-delay=300 ──┴─ NBD ─▶ snapring daemon: SIGTERM, start, SIGTERM, start
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { afterEach, describe, expect, test } from "vitest";
import { SeededRandom } from "../support/core/seeded-random.ts";
import { CLIENTS } from "../support/clients.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import { makeScratch } from "../support/free-socket.ts";
import { NbdClient } from "../support/nbd-client.ts";
import { runOk } from "../support/run-command.ts";
import { SECTOR, sectorBytes, SectorModel } from "../soak/sector-model.ts";

const MIB = 2 ** 20;
const RESTARTS = 2;
/** Of each volume: the first half is the writer's, the second fio's. */
const HALF: number = 4 * MIB;
const WRITES_BETWEEN = 40;
const LONG_MAX = 64;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A program that serves again what it gets from elsewhere; it listens at `socket` when this resolves. */
async function served(socket: string, program: string, words: readonly string[]): Promise<void> {
  const child: ChildProcess = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.on("error", (error) => (said += String(error)));
  ends.push(() => child.kill("SIGKILL"));
  await expect.poll(() => (existsSync(socket) ? "there" : said)).toBe("there");
}

/** One write after the other, the model beside it. */
class Writer {
  readonly model = new SectorModel(HALF / SECTOR);
  readonly #random: SeededRandom;
  readonly #client: NbdClient;
  #version = 1;
  #isStopped = false;
  readonly ended: Promise<void>;
  written = 0;

  constructor(client: NbdClient, seed: number) {
    this.#client = client;
    this.#random = new SeededRandom(seed);
    this.ended = this.#run();
    // Who waits for it hears of it.
    this.ended.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.ended;
  }

  /** So many more have been answered. */
  async more(count: number): Promise<void> {
    const until = this.written + count;
    while (this.written < until) await Promise.race([this.ended, new Promise((resolve) => setTimeout(resolve, 5))]);
  }

  async #run(): Promise<void> {
    const sectors = HALF / SECTOR;
    while (!this.#isStopped) {
      const count = 1 + this.#random.below(LONG_MAX);
      const first = this.#random.below(sectors - count);
      const version = this.#version++;
      await this.#client.write(first * SECTOR, sectorBytes(first, count, version));
      this.model.fill(first, count, version);
      if (this.#random.chance(10)) await this.#client.flush();
      if (this.#random.chance(20))
        this.model.check(first, await this.#client.read(first * SECTOR, count * SECTOR), "read back");
      this.written += 1;
    }
  }
}

describe.each(CLIENTS)("clients of $of", ({ program }) => {
  test("nbdkit's retry filter and qemu's reconnect-delay go on over stops and starts of the daemon, and every byte is there", {
    timeout: 300_000,
  }, async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`seed ${seed}`);
    const daemon = new DaemonProcess(await makeScratch());
    ends.push(() => daemon.scratch.remove());
    ends.push(() => daemon.kill());
    await daemon.listen();
    mkdirSync(daemon.file("pool"));
    await daemon.control.ask("PUT", "/v1/pools/default", { dir: daemon.file("pool") });
    const names = ["kit", "qemu"] as const;
    for (const name of names) {
      await writeFile(daemon.file(name), Buffer.alloc(2 * HALF));
      await daemon.control.ask("PUT", `/v1/volumes/${name}`, { origin: daemon.file(name) });
      await daemon.control.ask("PUT", `/v1/volumes/${name}/snapshots/before`, { size: 16 * MIB });
    }
    const sockets = { kit: daemon.file("kit.sock"), qemu: daemon.file("qemu.sock") };
    await served(sockets.kit, program("nbdkit"), [
      ...["--foreground", "--unix", sockets.kit, "--filter=retry", "nbd"],
      `uri=nbd+unix:///kit?socket=${daemon.address.path}`,
      ...["retries=1000", "retry-delay=1", "retry-exponential=no"],
    ]);
    const server = `server.type=unix,server.path=${daemon.address.path}`;
    await served(sockets.qemu, program("qemu-storage-daemon"), [
      ...["--blockdev", `driver=nbd,node-name=there,${server},export=qemu,reconnect-delay=300`],
      ...["--nbd-server", `addr.type=unix,addr.path=${sockets.qemu}`],
      ...["--export", "type=nbd,id=here,node-name=there,name=,writable=on"],
    ]);
    const writers = new Map<string, Writer>();
    for (const name of names) {
      const client = await NbdClient.open({ path: sockets[name] });
      ends.push(() => client.destroy());
      writers.set(name, new Writer(client, seed));
    }
    const all = [...writers.values()];
    const fios = names.map((name) => {
      const fio = verifying(sockets[name], daemon.scratch.path);
      fio.catch(() => {});
      return fio;
    });
    for (let i = 0; i < RESTARTS; i++) {
      await Promise.all(all.map((writer) => writer.more(WRITES_BETWEEN)));
      expect(await daemon.stop()).toBe(0);
      await daemon.listen();
    }
    await Promise.all(all.map((writer) => writer.more(WRITES_BETWEEN)));
    await Promise.all(fios);
    for (const [name, writer] of writers) {
      await writer.stop();
      const direct = await daemon.connect(name);
      ends.push(() => direct.destroy());
      writer.model.check(0, await direct.read(0, HALF), name);
      // The snapshot is what the volume was before all of it.
      const before = await daemon.connect(`${name}@before`);
      ends.push(() => before.destroy());
      expect((await before.read(0, 2 * HALF)).every((byte) => byte === 0)).toBe(true);
    }
  });
});

/** Writes, and reads back what it wrote, at a pace at which it is not over before the restarts are. */
function verifying(socket: string, folder: string): Promise<string> {
  const place = [`--uri=nbd+unix:///?socket=${socket}`, `--aux-path=${folder}`, `--offset=${HALF}`, `--size=${HALF}`];
  const blocks = ["--rw=randwrite", "--bsrange=4k-64k", "--iodepth=8", "--rate=500k,4m", "--fsync=32"];
  const verify = ["--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--verify_backlog=16"];
  return runOk("fio", "--thread", "--name=upgrade", "--ioengine=nbd", ...place, ...blocks, ...verify);
}
