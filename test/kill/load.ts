/**
 * What the clients of a kill loop do: one with a ledger, that writes and flushes until it is stopped or cut off, and fio.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { SeededRandom } from "../support/core/seeded-random.ts";
import { dataPattern } from "../support/data-pattern.ts";
import { CmdFlag, type NbdClient } from "../support/nbd-client.ts";
import { BLOCK, type Ledger } from "./ledger.ts";

/** Blocks of a write: mostly a few, now and then several chunks. */
const SMALL_RUN = 6;
const LONG_RUN = 96;

/** No two writes of a process are alike. */
let seed = 1;

/** A client that writes one thing after the other; `ended` resolves when it has been stopped, or the server is gone. */
export class LedgerClient {
  readonly ended: Promise<void>;
  #stopping = false;

  constructor(client: NbdClient, ledger: Ledger, random: SeededRandom, count: () => void) {
    this.ended = this.#write(client, ledger, random, count).finally(() => client.destroy());
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.ended;
  }

  async #write(client: NbdClient, ledger: Ledger, random: SeededRandom, count: () => void): Promise<void> {
    try {
      while (!this.#stopping) {
        const blocks = 1 + random.below(random.chance(15) ? LONG_RUN : SMALL_RUN);
        const seeds = Array.from({ length: blocks }, () => ++seed);
        const run = ledger.begin(random.below(ledger.blocks - blocks), seeds);
        const fua = random.chance(8);
        const data = Buffer.concat(seeds.map((one) => dataPattern(BLOCK, one)));
        await client.write(ledger.offset + run.start * BLOCK, data, fua ? CmdFlag.Fua : 0);
        ledger.acknowledged(run, fua);
        count();
        if (!random.chance(7)) continue;
        const covered = ledger.flushing();
        await client.flush();
        covered();
      }
    } catch (error) {
      // The kill; anything else is a failure of the server.
      if (!String(error).includes("StreamEnded")) throw error;
    }
  }
}

/** Writes and reads of a region of an export, until the server is gone. */
export class Fio {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(uri: string, offset: number, size: number, random: SeededRandom) {
    // A thread, not a process of its own: one that outlives its parent spins on the dead connection until its time is over.
    const job = [
      "--thread",
      "--name=load",
      "--ioengine=nbd",
      `--uri=${uri}`,
      "--rw=randrw",
      "--rwmixread=30",
      "--norandommap",
    ];
    const blocks = ["--bsrange=512-64k", "--blockalign=512", `--offset=${offset}`, `--size=${size}`];
    // Enough for many requests to be under way at the kill, and not so much that nothing else gets a processor.
    const pace = ["--iodepth=16", "--rate_iops=1500,1500", "--time_based", "--runtime=600", "--fsync=64"];
    this.#child = spawn("fio", [...job, ...blocks, ...pace, `--randseed=${random.below(2 ** 31)}`], {
      stdio: "ignore",
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", () => resolve());
    });
  }

  /** It ends by itself when its connection does; not always at once. */
  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
