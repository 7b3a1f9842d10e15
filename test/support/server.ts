/**
 * The built server as a child process: `node dist/src/cli/main.js serve …`, started, waited for, and ended in two ways.
 *
 * It is ready when it has printed one NBD URI per export and address. A test file calls `killServers` after each test, so that
 * a failed test leaves no server behind.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { VolumeStats } from "../../src/index.ts";
import type { Address } from "./byte-stream.ts";

export const MAIN: string = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

const URI = /\bnbd(?:\+unix)?:\/\/\S+/g;

export interface SnapshotOption {
  readonly name: string;
  readonly cow: string;
  /** As on the command line: 16K, 64M, 32s … */
  readonly size?: string;
  readonly chunk?: string;
  readonly store?: "P" | "PO" | "N";
}

export interface ServeOptions {
  readonly origin: string;
  readonly snapshots?: readonly SnapshotOption[];
  /** A Unix socket's path, or a loopback port. */
  readonly listen: string | number;
  /** More arguments: --read-only, --direct, --io sync … */
  readonly args?: readonly string[];
  /** Arguments of node itself. */
  readonly nodeArgs?: readonly string[];
}

const running = new Set<Server>();

/** Kill every server that a test has left, and wait for its end. */
export async function killServers(): Promise<void> {
  await Promise.all([...running].map((server) => server.kill()));
}

export class Server {
  readonly address: Address;
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  readonly #listen: string | number;
  #stdout = "";
  #stderr = "";

  private constructor(options: ServeOptions) {
    this.#listen = options.listen;
    this.address =
      typeof options.listen === "string" ? { path: options.listen } : { host: "127.0.0.1", port: options.listen };
    this.#child = spawn(process.execPath, [...(options.nodeArgs ?? []), MAIN, ...serveArguments(options)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    running.add(this);
    this.#closed = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", () => {
        running.delete(this);
        resolve();
      });
    });
  }

  /** Start it and wait until it is ready; throws with what it said where it ends before. */
  static async start(options: ServeOptions): Promise<Server> {
    const server = new Server(options);
    await server.#ready(1 + (options.snapshots?.length ?? 0));
    return server;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The URIs that it printed, in order. */
  get uris(): string[] {
    return [...new Set(this.#stdout.match(URI) ?? [])];
  }

  /** The URI of an export, made from the address. */
  uri(name = ""): string {
    return typeof this.#listen === "string"
      ? `nbd+unix:///${encodeURIComponent(name)}?socket=${this.#listen}`
      : `nbd://127.0.0.1:${this.#listen}/${encodeURIComponent(name)}`;
  }

  /** Its statistics, by SIGUSR1; what it printed for that is taken out of `stdout`. One call at a time. */
  async stats(): Promise<VolumeStats> {
    process.kill(this.pid, "SIGUSR1");
    for (;;) {
      const from = this.#stdout.indexOf('{"stats":');
      const to = from === -1 ? -1 : this.#stdout.indexOf("\n", from);
      if (to !== -1) {
        const line = this.#stdout.slice(from, to);
        this.#stdout = this.#stdout.slice(0, from) + this.#stdout.slice(to + 1);
        return (JSON.parse(line) as { stats: VolumeStats }).stats;
      }
      if (!running.has(this)) throw new Error(`the server has ended\n${this.#stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** SIGTERM: it must drain, commit, close, and exit with 0. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#closed;
    if (this.#child.exitCode === 0) return;
    throw new Error(
      `server ended with ${this.#child.exitCode ?? this.#child.signalCode}\n${this.#stdout}\n${this.#stderr}`,
    );
  }

  /** It ends by itself: its exit code, null where a signal has ended it. */
  async ended(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }

  /** SIGKILL: as in a crash. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
  }

  async #ready(exports: number): Promise<void> {
    const printed = new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.uris.length >= exports) resolve();
      };
      this.#child.stdout?.on("data", look);
    });
    await Promise.race([printed, this.#closed]);
    if (this.uris.length >= exports) return;
    throw new Error(`server ended before it was ready, with ${this.#child.exitCode}\n${this.#stdout}\n${this.#stderr}`);
  }
}

function serveArguments(options: ServeOptions): string[] {
  const snapshots = (options.snapshots ?? []).flatMap((snapshot) => {
    const { name, cow, size, chunk, store } = snapshot;
    const settings = Object.entries({ size, chunk, store }).filter(([, value]) => value !== undefined);
    return ["--snapshot", [`${name}=${cow}`, ...settings.map(([key, value]) => `${key}=${value}`)].join(",")];
  });
  const listen = typeof options.listen === "string" ? `unix:${options.listen}` : `tcp:127.0.0.1:${options.listen}`;
  return ["serve", options.origin, ...snapshots, "--listen", listen, ...(options.args ?? [])];
}
