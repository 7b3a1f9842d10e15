/**
 * `snapring serve` when one of its threads dies: every client hears of it, the process ends with 1 and one line that says who died,
 * and everything that was acknowledged as durable is there when it is started again.
 */
import { existsSync, readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { CmdFlag, type NbdClient, NbdFailure } from "../support/nbd-client.ts";
import { killServers } from "../support/server.ts";
import { StreamEnded } from "../support/byte-stream.ts";
import { firstDifference, MIB, MONDAY, readAll, Volume } from "../support/volume.ts";

const NBD_EIO = 5;
const LENGTH = 3000;

afterEach(killServers);

/** Writes durably, again and again, each time to the next place, until it is told no. */
class Writer {
  readonly #client: NbdClient;
  readonly #model: Buffer;
  readonly #first: number;
  acknowledged = 0;
  /** How it ended. */
  readonly end: Promise<unknown>;

  constructor(client: NbdClient, model: Buffer, first: number) {
    this.#client = client;
    this.#model = model;
    this.#first = first;
    this.end = this.#write().catch((error: unknown) => error);
  }

  async #write(): Promise<void> {
    for (let i = 0; ; i++) {
      const at = this.#first + ((i * 5003) % (2 * MIB - LENGTH));
      const data = dataPattern(LENGTH, 1 + (i % 1000));
      await this.#client.write(at, data, CmdFlag.Fua);
      data.copy(this.#model, at);
      this.acknowledged += 1;
    }
  }

  /** Where the write that was refused went: it may be there, or not, or in part. */
  get unknown(): readonly [number, number] {
    const at = this.#first + ((this.acknowledged * 5003) % (2 * MIB - LENGTH));
    return [at, at + LENGTH];
  }
}

test.each(["export", "copy", "metadata"])(
  "a dead %s worker ends the server in order, and loses nothing",
  async (role) => {
    process.env["SNAPRING_TEST_KILL"] = role;
    const killer = new URL("../support/worker-killer.mjs", import.meta.url).href;
    const volume = await Volume.create({ snapshots: [MONDAY], nodeArgs: ["--import", killer] });
    delete process.env["SNAPRING_TEST_KILL"];
    try {
      const models = { origin: Buffer.from(volume.before), monday: Buffer.from(volume.before) };
      const idle = await volume.open();
      const writers = [
        { name: "origin", writer: new Writer(await volume.open(), models.origin, 0) },
        { name: "origin", writer: new Writer(await volume.open(), models.origin, 2 * MIB) },
        { name: "monday", writer: new Writer(await volume.open("monday"), models.monday, 4 * MIB) },
      ] as const;
      while (writers.some(({ writer }) => writer.acknowledged < 20)) await new Promise((next) => setTimeout(next, 5));
      process.kill(volume.server.pid, "SIGUSR2");
      for (const { writer } of writers) {
        const end = await writer.end;
        if (end instanceof NbdFailure) expect(end.error).toBe(NBD_EIO);
        else expect(end).toBeInstanceOf(StreamEnded);
      }
      await idle.stream.ended();
      const { server } = volume;
      expect(await server.ended()).toBe(1);
      expect(server.stderr).toMatch(new RegExp(`^snapring serve: ${role} worker 0 has died: unknown message 999`, "m"));
      expect(server.stderr).not.toMatch(/^\s+at /m);
      expect(existsSync(volume.scratch.file("socket"))).toBe(false);

      await volume.serve();
      for (const [name, model] of Object.entries(models)) {
        const content = await readAll(await volume.open(name));
        for (const { writer } of writers.filter((w) => w.name === name))
          content.copy(model, writer.unknown[0], ...writer.unknown);
        expect(firstDifference(content, model)).toBe(-1);
      }
      await volume.stop();
      expect(readFileSync(volume.cowPath("monday")).readUInt32LE(4)).toBe(1);
    } finally {
      await volume.crash();
      await volume.remove();
    }
  },
);
