/**
 * The parent's end of server.ts: orders as promises, events as callbacks.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Facts, Message, Order } from "./server.ts";

const SERVER = fileURLToPath(new URL("./server.ts", import.meta.url));
const TYPESCRIPT = new URL("../sim/typescript.mjs", import.meta.url).href;

export class RemoteServer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (facts: Facts | undefined) => void; reject: (error: Error) => void }
  >();
  #next = 1;
  /** What the process wrote. */
  stderr = "";

  /** `event`: a snapshot's, or "died". */
  constructor(event: (event: string, volume: string, name: string, error: string) => void) {
    const env = { ...process.env, SNAPRING_VERIFY: "1" };
    this.#child = fork(SERVER, [], {
      execArgv: ["--import", TYPESCRIPT],
      env,
      stdio: ["ignore", "inherit", "pipe", "ipc"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.#child.on("message", (message: Message) => {
      if (message.event !== undefined)
        event(message.event, message.volume ?? "", message.name ?? "", message.error ?? "");
      else this.#answered(message);
    });
    this.#child.once("exit", (code, signal) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`the server has ended (${code ?? signal})\n${this.stderr}`));
    });
  }

  order(order: Order): Promise<Facts | undefined> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (!this.#child.connected) return reject(new Error(`the server has ended\n${this.stderr}`));
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, order });
    });
  }

  async facts(): Promise<Facts> {
    return (await this.order({ order: "facts" })) as Facts;
  }

  /** Without a close. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }

  #answered({ id, result, error }: Message): void {
    const waiting = this.#waiting.get(id ?? 0);
    this.#waiting.delete(id ?? 0);
    if (error !== undefined) waiting?.reject(new Error(error));
    else waiting?.resolve(result);
  }
}
