/**
 * A client who writes 4 KiB, waits for the answer, and writes again: how long the longest of his writes took within a span of time is what a client feels of
 * whatever happened then, whoever serves him.
 *
 *   writes   ├──┤├──┤├────────────┤├──┤├──┤
 *   span            ├─────────┤              ▶ the third
 */
import { NbdPipeline, writeRequest } from "./nbd-pipeline.ts";
import { KIB } from "./workload.ts";

const BYTES = 4 * KIB;

interface Written {
  readonly from: number;
  readonly to: number;
}

export class WriteProbe {
  readonly #client: NbdPipeline;
  readonly #bytes: number;
  /** The last ones, in order. */
  #writes: Written[] = [];
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(client: NbdPipeline, bytes: number) {
    this.#client = client;
    this.#bytes = bytes;
  }

  /** `bytes`: of the volume, all of which he writes to. */
  static async start(socket: string, name: string, bytes: number): Promise<WriteProbe> {
    const probe = new WriteProbe(await NbdPipeline.open(socket, name), bytes);
    probe.#running = probe.#run();
    probe.#running.catch(() => {});
    return probe;
  }

  /** Milliseconds: the longest write that was under way at any time of the span, which is over. */
  async longest(from: number, to: number): Promise<number> {
    // The one that was under way at its end has to end.
    while (!this.#stopped && (this.#writes.at(-1)?.from ?? 0) < to)
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 1)), this.#running]);
    const within = this.#writes.filter((write) => write.to >= from && write.from <= to);
    this.#writes = this.#writes.slice(-1);
    return Math.max(...within.map((write) => write.to - write.from));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#client.close();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const at = Math.floor(Math.random() * (this.#bytes / BYTES)) * BYTES;
      const from = performance.now();
      this.#client.send([writeRequest(at, BYTES, 7)]);
      await this.#client.answered();
      this.#writes.push({ from, to: performance.now() });
    }
  }
}
