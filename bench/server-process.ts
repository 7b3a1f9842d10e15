/**
 * A server as a child process: started, asked over NBD what it offers, asked for its statistics, ended.
 *
 *   start ──▶ nbdinfo until it answers ──▶ runs of fio ──▶ SIGTERM ──▶ its end is waited for
 *
 * Ready means the same for every server: a client has connected and got the size. What the server printed is kept, bounded, for
 * the message of a failure.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { VolumeStats } from "../src/engine/stats.ts";
import { CommandError, run } from "./child.ts";
import { parseStatisticsLine } from "./statistics.ts";

const READY_SECONDS = 20;
const POLL_MILLISECONDS = 30;
const END_SECONDS = 20;
const STATISTICS_SECONDS = 5;
const OUTPUT_LETTERS_MAX = 4000;
const MESSAGE_LETTERS_MAX = 500;

export interface ExportFacts {
  readonly sizeBytes: number;
  readonly multiConn: boolean;
  readonly readOnly: boolean;
}

interface NbdInfo {
  readonly exports: readonly [
    { readonly "export-size": number; readonly can_multi_conn?: boolean; readonly is_read_only?: boolean },
  ];
}

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  #ended: { readonly code: number | null; readonly signal: string | null } | undefined;
  #output = "";
  #line = "";
  #onStatistics: ((stats: VolumeStats) => void) | undefined;

  constructor(command: readonly string[]) {
    const [program, ...args] = command;
    this.#child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#hear(text, true));
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#hear(text, false));
    this.#closed = new Promise((resolve) => {
      this.#child.once("error", (error) => this.#hear(error.message, false));
      this.#child.once("close", (code, signal) => {
        this.#ended = { code, signal };
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Waits until the export answers; throws an Error with what the server said if it does not. */
  async ready(uri: string, socket: string, signal: AbortSignal): Promise<ExportFacts> {
    const end = performance.now() + READY_SECONDS * 1000;
    while (!signal.aborted) {
      try {
        // Asking before there is a socket would only take the CPU from a server that starts.
        if (existsSync(socket)) return facts(await run(["nbdinfo", "--json", uri], { signal }));
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
      }
      if (this.hasEnded || performance.now() > end) throw new Error(`the server is not ready: ${this.#said()}`);
      await delay(POLL_MILLISECONDS);
    }
    throw new Error("interrupted");
  }

  /** snapring only. */
  statistics(): Promise<VolumeStats> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the server did not print its statistics: ${this.#said()}`)),
        STATISTICS_SECONDS * 1000,
      );
      this.#onStatistics = (stats) => {
        clearTimeout(timer);
        this.#onStatistics = undefined;
        resolve(stats);
      };
      this.#child.kill("SIGUSR1");
    });
  }

  /** Throws an Error if the server had ended before, did not end, or ended badly. */
  async stop(): Promise<void> {
    const early = this.hasEnded;
    if (!early) {
      this.#child.kill("SIGTERM");
      const kill = setTimeout(() => this.#child.kill("SIGKILL"), END_SECONDS * 1000);
      await this.#closed;
      clearTimeout(kill);
    }
    const { code, signal } = this.#ended ?? { code: null, signal: null };
    if (early || signal === "SIGKILL" || (code !== 0 && signal !== "SIGTERM")) {
      throw new Error(`the server ended ${early ? "early" : "badly"} (${signal ?? `code ${code}`}): ${this.#said()}`);
    }
  }

  #hear(text: string, standard: boolean): void {
    this.#output = (this.#output + text).slice(-OUTPUT_LETTERS_MAX);
    if (!standard) return;
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) {
      const stats = parseStatisticsLine(line);
      if (stats !== undefined) this.#onStatistics?.(stats);
    }
  }

  #said(): string {
    return this.#output.trim().slice(-MESSAGE_LETTERS_MAX) || "(it said nothing)";
  }
}

function facts(json: string): ExportFacts {
  const [info] = (JSON.parse(json) as NbdInfo).exports;
  return {
    sizeBytes: info["export-size"],
    multiConn: info.can_multi_conn === true,
    readOnly: info.is_read_only === true,
  };
}
