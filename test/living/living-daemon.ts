/**
 * The daemon as a life speaks to it: through its control socket, or by the command, and both may be cut by its end.
 *
 *   a verb ─▶ answer │ refusal (ControlError) │ Cut: the daemon was killed, and nobody knows how far it came
 */
import { ControlError } from "../../src/cli/control-client.ts";
import type { SeededRandom } from "../support/core/seeded-random.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import type { Scratch } from "../support/free-socket.ts";

/** Seconds for which one request waits. */
const WAIT = 60;
/** Of a hundred verbs, so many are said by the command: it takes half a second to start. */
const COMMANDS_PERCENT = 12;

/** The daemon was killed meanwhile. */
export class Cut extends Error {
  override readonly name = "Cut";
}

export interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly volume: string;
  readonly snapshot: string;
  readonly state: "running" | "done" | "failed" | "cancelled";
  readonly problem?: { readonly detail: string };
}

export interface SnapshotView {
  readonly volume: string;
  readonly name: string;
  readonly state: "active" | "overflow" | "invalid" | "merging";
  readonly cow: string;
  readonly sizeBytes: number;
  readonly usedPercent: number;
  readonly group?: string;
  readonly merge?: { readonly paused: boolean; readonly percent: number };
}

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

export class LivingDaemon {
  readonly process: DaemonProcess;
  readonly #random: SeededRandom;
  /** Said by the command. */
  commands = 0;

  constructor(scratch: Scratch, random: SeededRandom) {
    this.process = new DaemonProcess(scratch);
    this.#random = random;
  }

  get address(): { readonly path: string } {
    return this.process.address;
  }

  /** Whatever goes wrong while it is down is its end. Throws a Cut, or what `body` throws. */
  async cutBy<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      if (this.process.isDown && isEnd(error)) throw new Cut(String(error), { cause: error });
      throw error;
    }
  }

  ask<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    return this.cutBy(async () => (await this.process.control.ask(method, path, body)) as Answer<T>);
  }

  /** By the command, now and then; else through the socket. The command's words must say the same. */
  async say<T = Record<string, unknown>>(
    words: readonly string[],
    [method, path, body]: readonly [method: string, path: string, body?: unknown],
  ): Promise<T> {
    if (!this.#random.chance(COMMANDS_PERCENT)) return (await this.ask<T>(method, path, body)).body;
    this.commands += 1;
    return await this.cutBy(async () => {
      const { code, stdout, stderr } = await this.process.run(...words, "--json");
      if (code !== 0) throw new CommandFailed(`snapring ${words.join(" ")}: ${code} ${stdout}${stderr}`);
      return (stdout === "" ? undefined : JSON.parse(stdout)) as T;
    });
  }

  /** Throws where it is not refused for this reason. */
  async refuses(code: string, method: string, path: string, body?: unknown): Promise<void> {
    const answer = await this.ask(method, path, body).catch((error: unknown) => error);
    if (answer instanceof Cut) throw answer;
    if (!(answer instanceof ControlError) || answer.code !== code)
      throw new Error(`${method} ${path} is not refused as ${code}: ${JSON.stringify(answer)} ${String(answer)}`);
  }

  /** At its end, which must be one of these. */
  async ended(id: string, ...states: readonly Operation["state"][]): Promise<Operation> {
    for (;;) {
      const { body } = await this.ask<Operation>("GET", `/v1/operations/${id}?wait=${WAIT}`);
      if (body.state === "running") continue;
      if (!states.includes(body.state)) throw new Error(`${id} is ${body.state}: ${JSON.stringify(body)}`);
      return body;
    }
  }

  async operations(): Promise<readonly Operation[]> {
    return (await this.ask<{ operations: Operation[] }>("GET", "/v1/operations")).body.operations;
  }

  async snapshots(volume?: string): Promise<readonly SnapshotView[]> {
    const path = volume === undefined ? "/v1/snapshots" : `/v1/volumes/${volume}/snapshots`;
    return (await this.ask<{ snapshots: SnapshotView[] }>("GET", path)).body.snapshots;
  }

  async view(volume: string, snapshot: string): Promise<SnapshotView> {
    return (await this.ask<SnapshotView>("GET", `/v1/volumes/${volume}/snapshots/${snapshot}`)).body;
  }
}

class CommandFailed extends Error {
  override readonly name = "CommandFailed";
}

/** How connections and commands end with their server. What a model has to say is not among it. */
export function isEnd(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof CommandFailed)
    return /no daemon listens|does not answer|socket hang up|aborted/.test(error.message);
  const names = ["StreamEnded", "FioEnded", "SnapringError", "Cut"];
  const codes = ["ECONNRESET", "ECONNREFUSED", "ENOENT", "EPIPE", "ERR_STREAM_DESTROYED", "ERR_STREAM_PREMATURE_CLOSE"];
  return names.includes(error.name) || codes.includes(code ?? "") || error instanceof SyntaxError;
}
