/**
 * fio on a part of a live volume: rounds of random writes, each read back and verified, one after the other for as long as the volume lives.
 *
 * A round is short, because a roll back in the middle of one would take from it what it is about to verify: who rolls back waits for the end of a round.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { SeededRandom } from "../support/core/seeded-random.ts";

const KIB = 1024;
const ROUND_BYTES: number = 2 * 1024 * KIB;

const SAID_MAX: number = 256 * KIB;

export interface FioPlace {
  readonly uri: string;
  readonly offset: number;
  readonly bytes: number;
  /** Where it leaves what it wants to leave. */
  readonly folder: string;
}

export class FioRounds {
  readonly #place: FioPlace;
  readonly #random: SeededRandom;
  #child: ChildProcess | undefined;
  #isStopped = true;
  #running: Promise<void> = Promise.resolve();
  /** That have ended, everything verified. */
  rounds = 0;

  constructor(place: FioPlace, random: SeededRandom) {
    this.#place = place;
    this.#random = random;
  }

  start(failed: (error: Error) => void): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#running = this.#run().catch(failed);
  }

  /** Its round is over when it resolves. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** Its server is gone: it ends by itself when its connection does, but not always at once. */
  async kill(): Promise<void> {
    this.#isStopped = true;
    this.#child?.kill("SIGKILL");
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#round();
      this.rounds += 1;
    }
  }

  #round(): Promise<void> {
    const child = spawn("fio", this.#words(), { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let said = "";
    // On a dead connection it says the same, again and again; the first words are those that count.
    const hear = (text: string): void => void (said.length < SAID_MAX && (said += text));
    child.stdout.setEncoding("utf8").on("data", hear);
    child.stderr.setEncoding("utf8").on("data", hear);
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        // A word of a verification that failed counts also where the end of the server cut it short.
        if (/verify.*(fail|bad|mismatch)/i.test(said)) reject(new Error(`fio at ${this.#place.uri}: ${said}`));
        else if (code === 0) resolve();
        else reject(new FioEnded(`fio at ${this.#place.uri} ended with ${code ?? signal}: ${said}`));
      });
    });
  }

  #words(): string[] {
    const { uri, offset, bytes, folder } = this.#place;
    const random = this.#random;
    const job = ["--thread", "--name=living", "--ioengine=nbd", `--uri=${uri}`, `--aux-path=${folder}`];
    const blocks = random.pick(["4k-4k", "4k-64k", "512-16k", "64k-256k"]);
    const size = bytes - (bytes % (256 * KIB));
    const place = [`--offset=${offset}`, `--size=${size}`, `--io_size=${Math.min(ROUND_BYTES, size)}`];
    const pace = [`--iodepth=${random.pick([1, 4, 16])}`, "--rate=1500k,1500k", `--fsync=${random.pick([0, 16, 64])}`];
    const verify = ["--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--verify_backlog=32"];
    return [
      ...[...job, ...place, ...pace, ...verify],
      ...["--rw=randwrite", `--bsrange=${blocks}`, `--randseed=${random.below(2 ** 31)}`],
    ];
  }
}

/** Without a word of a wrong byte. */
export class FioEnded extends Error {
  override readonly name = "FioEnded";
}
