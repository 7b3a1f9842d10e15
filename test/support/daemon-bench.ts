/**
 * A daemon in this process: its state, origins and pool in a scratch folder, spoken to through its control socket as any client does. Main runs from the
 * sources, the workers from dist/. A file that uses it calls `removeDaemons` after each test.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { type ClientRequest, request } from "node:http";
import { ControlServer } from "../../src/control/control-server.ts";
import { type Daemon, openDaemon } from "../../src/daemon/daemon.ts";
import type { DaemonEvent } from "../../src/daemon/daemon-event.ts";
import { dataPattern } from "./data-pattern.ts";
import { makeScratch, type Scratch } from "./free-socket.ts";
import { NbdClient } from "./nbd-client.ts";

export const MIB = 2 ** 20;
export const ORIGIN_BYTES: number = 4 * MIB;

const benches = new Set<DaemonBench>();

export async function removeDaemons(): Promise<void> {
  for (const bench of [...benches]) await bench.remove();
}

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
}

export class DaemonBench {
  readonly lines: string[] = [];
  readonly #scratch: Scratch;
  readonly #clients: NbdClient[] = [];
  #daemon: Daemon | undefined;
  #control: ControlServer | undefined;

  private constructor(scratch: Scratch) {
    this.#scratch = scratch;
    benches.add(this);
  }

  /** Running, with a pool and no volume. */
  static async open(): Promise<DaemonBench> {
    const bench = new DaemonBench(await makeScratch());
    mkdirSync(bench.file("pool"));
    await bench.start();
    await bench.ask("PUT", "/v1/pools/default", { dir: bench.file("pool"), limit: 64 * MIB });
    return bench;
  }

  get daemon(): Daemon {
    if (this.#daemon === undefined) throw new Error("the daemon does not run");
    return this.#daemon;
  }

  file(name: string): string {
    return this.#scratch.file(name);
  }

  /** What the origin of a volume holds at first. */
  before(name: string): Buffer {
    return dataPattern(ORIGIN_BYTES, name.charCodeAt(0) % 100);
  }

  async start(): Promise<void> {
    this.#daemon = await openDaemon(
      {
        state: this.file("state"),
        listen: [`unix:${this.file("nbd")}`],
        workers: 2,
        log: (line, volume) => this.lines.push(volume === undefined ? line : `${volume}: ${line}`),
      },
      "test",
    );
    const address = { unix: this.file("control") };
    this.#control = await ControlServer.open(this.#daemon, {
      address,
      log: (line) => this.lines.push(`DEFECT ${line}`),
      droppedLogLines: () => 0,
    });
    await this.#daemon.begin();
  }

  async stop(): Promise<void> {
    await this.#control?.close();
    await this.#daemon?.close();
    this.#control = undefined;
    this.#daemon = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async addVolume(name: string): Promise<void> {
    const origin = this.file(name);
    if (!existsSync(origin)) writeFileSync(origin, this.before(name));
    const { status, body } = await this.ask("PUT", `/v1/volumes/${name}`, { origin });
    if (status !== 201) throw new Error(`the volume was not added: ${JSON.stringify(body)}`);
  }

  async connect(name: string): Promise<NbdClient> {
    const client = await NbdClient.open({ path: this.file("nbd") }, name);
    this.#clients.push(client);
    return client;
  }

  /** One request to the control socket. `body`: JSON, or as it stands where it is a text. */
  async ask<T = Record<string, never>>(
    method: string,
    path: string,
    body?: unknown,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Answer<T>> {
    const { status, body: text } = await this.askText(method, path, body, more);
    return { status, body: (text === "" ? undefined : JSON.parse(text)) as T };
  }

  /** `more`: further headers. */
  askText(
    method: string,
    path: string,
    body?: unknown,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Answer<string>> {
    return new Promise((resolve, reject) => {
      const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
      // node sends none with a DELETE by itself.
      const length = { "content-length": Buffer.byteLength(text ?? "") };
      const headers = text === undefined ? more : { "content-type": "application/json", ...length, ...more };
      const sent: ClientRequest = request(
        { socketPath: this.file("control"), method, path, headers, agent: false },
        (response) => {
          let answer = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => (answer += part));
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body: answer }));
          response.on("error", reject);
        },
      );
      sent.on("error", reject);
      sent.end(text);
    });
  }

  /** An operation that this request begins, at its end. */
  async operate(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const { status, body: begun } = await this.ask<{ id: string }>(method, path, body);
    if (status !== 202) throw new Error(`no operation: ${status} ${JSON.stringify(begun)}`);
    return (await this.ask<Record<string, unknown>>("GET", `/v1/operations/${begun.id}?wait=60`)).body;
  }

  /** Those behind `after`, without waiting. */
  async events(after = 0): Promise<readonly DaemonEvent[]> {
    await this.daemon.journal.settled();
    return this.daemon.journal.since(after);
  }

  async state(): Promise<Record<string, Record<string, unknown>>> {
    return JSON.parse(await readFile(this.file("state/state.json"), "utf8")) as Record<string, Record<string, unknown>>;
  }

  async remove(): Promise<void> {
    benches.delete(this);
    for (const client of this.#clients) client.destroy();
    await this.stop();
    await this.#scratch.remove();
  }
}
