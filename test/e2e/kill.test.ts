/**
 * The server is killed under load, again and again, and opened again: what was acknowledged and flushed is there.
 *
 *   client    write … write … flush: "everything acknowledged before this flush" ── SIGKILL ── server again, compare
 *
 * Each client has blocks of its own, of 512 bytes, and knows for each what may stand there: the last flushed content, and
 * everything that was written to it since. A killed process loses its memory, not the kernel's page cache: this shows that what
 * was promised had left the process, with its exceptions.
 */
import { afterEach, expect, test } from "vitest";
import { dataPattern } from "../support/data-pattern.ts";
import { CmdFlag, type NbdClient } from "../support/nbd-client.ts";
import { killServers } from "../support/server.ts";
import { firstDifference, MIB, readAll, Volume } from "../support/volume.ts";

const ROUNDS = 4;
const SIZE = 8 * MIB;
const BLOCK = 512;
const CLIENTS = 2;
const BLOCKS = SIZE / BLOCK / CLIENTS;
/** Acknowledged writes of a round, all clients together, before the kill. */
const WRITES = 400;

let volume: Volume | undefined;

afterEach(async () => {
  await killServers();
  await volume?.scratch.remove();
  volume = undefined;
});

interface Write {
  readonly seed: number;
  acknowledged: boolean;
}

/** What may stand in the blocks of one client. */
class Ledger {
  /** Seed of the flushed content; -1: as it was at first. */
  readonly #flushed: number[] = Array.from({ length: BLOCKS }, () => -1);
  /** Writes since, in order. */
  readonly #since = new Map<number, Write[]>();

  begin(block: number, seed: number): Write {
    const write = { seed, acknowledged: false };
    const writes = this.#since.get(block);
    if (writes === undefined) this.#since.set(block, [write]);
    else writes.push(write);
    return write;
  }

  /** To be called when a flush is sent: returns what to do when it has been answered. */
  flushing(): () => void {
    const covered = [...this.#since].map(([block, writes]) => [block, writes.filter((w) => w.acknowledged)] as const);
    return () => {
      for (const [block, writes] of covered) for (const write of writes) this.durable(block, write);
    };
  }

  /** The write is there for good; what was written before it is over. */
  durable(block: number, write: Write): void {
    const writes = this.#since.get(block) ?? [];
    const at = writes.indexOf(write);
    if (at < 0) return;
    this.#flushed[block] = write.seed;
    writes.splice(0, at + 1);
    if (writes.length === 0) this.#since.delete(block);
  }

  /** Throws where a block holds what it may not; goes on from what it holds. */
  check(content: Buffer, first: number, before: Buffer): { flushed: number; late: number } {
    const counts = { flushed: 0, late: 0 };
    for (let block = 0; block < BLOCKS; block++) {
      const at = (first + block) * BLOCK;
      const bytes = content.subarray(at, at + BLOCK);
      const flushed = this.#flushed[block];
      const good = flushed === -1 ? before.subarray(at, at + BLOCK) : dataPattern(BLOCK, flushed);
      if (flushed !== -1) counts.flushed += 1;
      if (bytes.equals(good)) continue;
      const late = (this.#since.get(block) ?? []).find((write) => bytes.equals(dataPattern(BLOCK, write.seed)));
      if (late === undefined) throw new Error(`block ${first + block} is neither ${flushed} nor any later write`);
      this.#flushed[block] = late.seed;
      counts.late += 1;
    }
    this.#since.clear();
    return counts;
  }
}

let seed = 1;

/** Write until the connection ends: runs of blocks, a flush now and then, some FUA. One request at a time. */
async function load(client: NbdClient, ledger: Ledger, first: number, count: () => void): Promise<void> {
  for (;;) {
    const start = (seed * 7919) % (BLOCKS - 64);
    const blocks = 1 + ((seed * 31) % (seed % 5 === 0 ? 64 : 6));
    const writes = Array.from({ length: blocks }, (_, i) => ledger.begin(start + i, ++seed));
    const fua = seed % 11 === 0;
    const data = Buffer.concat(writes.map((write) => dataPattern(BLOCK, write.seed)));
    await client.write((first + start) * BLOCK, data, fua ? CmdFlag.Fua : 0);
    for (const write of writes) write.acknowledged = true;
    if (fua) writes.forEach((write, i) => ledger.durable(start + i, write));
    count();
    if (seed % 13 === 0) {
      const covered = ledger.flushing();
      await client.flush();
      covered();
    }
  }
}

test.each(["uring", "sync"])(
  "S-80 S-81 E-10 E-11: killed under load and opened again, --io %s",
  { timeout: 240_000 },
  async (io) => {
    volume = await Volume.create({
      sizeBytes: SIZE,
      snapshots: [
        { name: "written", size: "24M", chunk: "4K" },
        { name: "read", size: "24M", chunk: "16K" },
      ],
      args: ["--io", io === "uring" ? "auto" : io],
    });
    const names = ["", "written"];
    const ledgers = names.map(() => Array.from({ length: CLIENTS }, () => new Ledger()));
    const total = { flushed: 0, late: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      let left = WRITES + 97 * round;
      let enough: (() => void) | undefined;
      const due = new Promise<void>((resolve) => {
        enough = resolve;
      });
      const running: Promise<void>[] = [];
      for (const [side, name] of names.entries()) {
        for (const [i, ledger] of ledgers[side].entries()) {
          const client = await volume.open(name);
          running.push(load(client, ledger, i * BLOCKS, () => --left === 0 && enough?.()));
        }
      }
      const ends = Promise.allSettled(running);
      await due;
      await volume.crash();
      for (const end of await ends) expect(String((end as PromiseRejectedResult).reason)).toContain("StreamEnded");
      await volume.serve();
      for (const [side, name] of names.entries()) {
        const content = await readAll(await volume.open(name));
        for (const [i, ledger] of ledgers[side].entries()) {
          const { flushed, late } = ledger.check(content, i * BLOCKS, volume.before);
          total.flushed += flushed;
          total.late += late;
        }
      }
      expect(firstDifference(await readAll(await volume.open("read")), volume.before)).toBe(-1);
    }
    // The rounds meant something: blocks were flushed, and not everything was.
    expect(total.flushed).toBeGreaterThan(200);
    expect(total.late).toBeGreaterThan(0);
    await volume.stop();
  },
);
