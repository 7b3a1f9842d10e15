/** An engine of the built library in a process of its own, which can be killed, or may be held up by a device that a test stands behind. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { CreatedGroup, GroupMember } from "../../src/index.ts";
import type { EngineOptions, EngineStats, EngineVolumeOptions, SnapshotOptions } from "../../src/index.ts";

const CHILD = fileURLToPath(new URL("./engine-child.mjs", import.meta.url));

export class EngineProcess {
  readonly #child: ChildProcess = fork(CHILD, [], { env: { ...process.env, SNAPRING_VERIFY: "1" } });
  readonly #waiting = new Map<number, (said: { value?: unknown; error?: string; name?: string }) => void>();
  #lastId = 0;

  constructor() {
    this.#child.on("message", (said: { id: number; value?: unknown; error?: string; name?: string }) => {
      this.#waiting.get(said.id)?.(said);
      this.#waiting.delete(said.id);
    });
  }

  engine = (options: EngineOptions): Promise<void> => this.#order("engine", options);
  open = (options: EngineVolumeOptions): Promise<void> => this.#order("open", options);
  begin = (options: EngineVolumeOptions): Promise<void> => this.#order("begin", options);
  opened = (): Promise<void> => this.#order("opened");
  abort = (): Promise<void> => this.#order("abort");
  create = (volume: string, options: SnapshotOptions): Promise<void> => this.#order("create", volume, options);
  group = (members: readonly GroupMember[], how: { readonly maxPauseMs?: number } = {}): Promise<void> =>
    this.#order("group", members, how);
  grouped = (): Promise<CreatedGroup> => this.#order("grouped");
  exports = (volume: string): Promise<readonly string[]> => this.#order("exports", volume);
  drop = (volume: string, name: string): Promise<void> => this.#order("drop", volume, name);
  grow = (volume: string, name: string): Promise<void> => this.#order("grow", volume, name);
  closeVolume = (volume: string): Promise<void> => this.#order("closeVolume", volume);
  close = (): Promise<void> => this.#order("close");
  stats = (): Promise<EngineStats> => this.#order("stats");

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await ended;
  }

  async #order<T>(order: string, ...argumentList: readonly unknown[]): Promise<T> {
    const id = ++this.#lastId;
    const answer = new Promise<{ value?: unknown; error?: string; name?: string }>((resolve) =>
      this.#waiting.set(id, resolve),
    );
    this.#child.send({ id, order, argumentList });
    const { value, error, name } = await answer;
    if (error !== undefined)
      throw Object.assign(new Error(`${order} ${JSON.stringify(argumentList)}: ${error}`), { name });
    return value as T;
  }
}
