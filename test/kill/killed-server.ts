/**
 * The server of a kill loop, as its parent sees it: started, given orders, killed. An order that a kill cut off is answered by
 * nobody: it resolves with `undefined`.
 */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { VolumeOptions, VolumeStats } from "../../src/index.ts";

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** How an order ended: well, with what it threw, or not at all. */
export type Ended = "done" | "cut" | { readonly error: string };

export class KilledServer {
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  readonly #waiting = new Map<number, (answer: Answer | undefined) => void>();
  #next = 0;
  #stderr = "";

  private constructor(options: VolumeOptions) {
    const path = join(import.meta.dirname, "server.mjs");
    this.#child = fork(path, [JSON.stringify(options)], { execArgv: [], stdio: ["ignore", "inherit", "pipe", "ipc"] });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.#closed = new Promise((resolve) => this.#child.once("close", () => resolve()));
    void this.#closed.then(() => {
      for (const answer of this.#waiting.values()) answer(undefined);
      this.#waiting.clear();
    });
  }

  static async start(options: VolumeOptions): Promise<KilledServer> {
    const server = new KilledServer(options);
    const ready = new Promise<boolean>((resolve) => {
      server.#child.once("message", () => resolve(true));
      void server.#closed.then(() => resolve(false));
    });
    if (!(await ready)) throw new Error(`the server did not come up: ${server.#stderr}`);
    server.#child.on("message", (answer: Answer) => {
      server.#waiting.get(answer.id)?.(answer);
      server.#waiting.delete(answer.id);
    });
    return server;
  }

  async order(order: string, ...args: readonly unknown[]): Promise<Ended> {
    const answer = await this.#ask(order, args);
    if (answer === undefined) return "cut";
    return answer.error === undefined ? "done" : { error: answer.error };
  }

  async stats(): Promise<VolumeStats> {
    return (await this.#ask("stats", []))?.value as VolumeStats;
  }

  /** SIGKILL; what it said on stderr before, which should be nothing. */
  async kill(): Promise<string> {
    if (this.#child.exitCode !== null) return `it had ended by itself, with ${this.#child.exitCode}: ${this.#stderr}`;
    this.#child.kill("SIGKILL");
    await this.#closed;
    return this.#stderr;
  }

  #ask(order: string, args: readonly unknown[]): Promise<Answer | undefined> {
    const id = this.#next++;
    return new Promise((resolve) => {
      if (!this.#child.connected) return resolve(undefined);
      this.#waiting.set(id, resolve);
      this.#child.send({ id, order, args }, (error) => {
        if (error === null || !this.#waiting.delete(id)) return;
        resolve(undefined);
      });
    });
  }
}
