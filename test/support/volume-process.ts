/**
 * The library in a process of its own (volume-child.mjs): so that its devices may be files of a folder behind which this process
 * stands, and so that its death is somebody else's.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SnapshotOptions, SnapshotStatus, VolumeOptions, VolumeStats } from "../../src/index.ts";

const CHILD = fileURLToPath(new URL("volume-child.mjs", import.meta.url));

/** What an order was refused with. */
export class OrderFailure extends Error {
  override readonly name = "OrderFailure";
  readonly code: string;

  constructor(order: string, code: string, message: string) {
    super(`${order}: ${code} ${message}`);
    this.code = code;
  }
}

export interface Notice {
  readonly name: string;
  readonly event: string;
  readonly reason: string;
}

interface Waiting {
  readonly order: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Said {
  readonly id?: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  readonly notice?: readonly [string, string, string];
  readonly line?: string;
}

const running = new Set<VolumeProcess>();

/** After each test: none stays. */
export async function killVolumeProcesses(): Promise<void> {
  for (const child of [...running]) await child.kill();
}

export class VolumeProcess {
  readonly lines: string[] = [];
  readonly notices: Notice[] = [];
  /** Called with each notice as it comes. */
  heard: (notice: Notice) => void = () => undefined;
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #stderr = "";
  #end: string | undefined;

  constructor(env: Readonly<Record<string, string>> = {}, execArgv: readonly string[] = []) {
    const options = { execArgv: [...execArgv], env: { ...process.env, SNAPRING_VERIFY: "1", ...env } };
    this.#child = fork(CHILD, [], { ...options, stdio: ["ignore", "ignore", "pipe", "ipc"] });
    running.add(this);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.#child.on("message", (said: Said) => this.#hear(said));
    this.#closed = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        running.delete(this);
        this.#end = `the volume's process has ended with ${code ?? signal}\n${this.lines.join("\n")}\n${this.#stderr}`;
        for (const { reject } of this.#waiting.values()) reject(new Error(this.#end));
        this.#waiting.clear();
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  open = (options: Omit<VolumeOptions, "log">): Promise<void> => this.#order("open", options);
  create = (options: SnapshotOptions): Promise<void> => this.#order("create", options);
  drop = (name: string): Promise<void> => this.#order("drop", name);
  merge = (name: string): Promise<void> => this.#order("merge", name);
  stopMerge = (): Promise<void> => this.#order("stopMerge");
  status = (name: string): Promise<SnapshotStatus> => this.#order("status", name);
  stats = (): Promise<VolumeStats> => this.#order("stats");
  close = (): Promise<void> => this.#order("close");
  refuseMemory = (what: "new" | "more"): Promise<void> => this.#order("refuseMemory", what);
  leftovers = (): Promise<{ files: number; threads: number }> => this.#order("leftovers");

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
  }

  #order<T>(order: string, argument?: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(new Error(this.#end));
      const id = ++this.#lastId;
      this.#waiting.set(id, { order, resolve: resolve as (value: unknown) => void, reject });
      this.#child.send({ id, order, argument });
    });
  }

  #hear({ id, value, error, notice, line }: Said): void {
    if (line !== undefined) this.lines.push(line);
    if (notice !== undefined) {
      const heard = { name: notice[0], event: notice[1], reason: notice[2] };
      this.notices.push(heard);
      this.heard(heard);
    }
    if (id === undefined) return;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new OrderFailure(waiting.order, error.code, error.message));
  }
}
