/**
 * Who is called when a store is full and requests wait: he adds room, each time, until they go on.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ControlError, type Event } from "../../src/cli/control-client.ts";
import { MIB } from "./drawn-spec.ts";
import { Cut, type LivingDaemon } from "./living-daemon.ts";

const STEP_BYTES: number = 16 * MIB;
const FULL_PERCENT = 90;
const AGAIN_MS = 200;

export class Attendant {
  readonly #daemon: LivingDaemon;
  readonly #stalls: (volume: string, snapshot: string) => boolean;
  readonly #failed: (error: Error) => void;
  /** Times he added room. */
  grown = 0;

  /** `stalls`: it is there, and grows by nobody but him. */
  constructor(
    daemon: LivingDaemon,
    stalls: (volume: string, snapshot: string) => boolean,
    failed: (error: Error) => void,
  ) {
    this.#daemon = daemon;
    this.#stalls = stalls;
    this.#failed = failed;
  }

  heard({ type, volume, snapshot, data }: Event): void {
    if (type === "snapshot" && data?.["event"] === "stalled" && volume !== undefined && snapshot !== undefined)
      void this.#attend(volume, snapshot);
  }

  /** He was away while the daemon was. */
  async round(): Promise<void> {
    for (const { volume, name, usedPercent } of await this.#daemon.snapshots())
      if (usedPercent >= FULL_PERCENT) await this.#attend(volume, name);
  }

  async #attend(volume: string, snapshot: string): Promise<void> {
    try {
      while (this.#stalls(volume, snapshot) && !(await this.#add(volume, snapshot))) await sleep(AGAIN_MS);
    } catch (error) {
      if (!(error instanceof Cut)) this.#failed(error as Error);
    }
  }

  /** False: something else is being done to it. */
  async #add(volume: string, snapshot: string): Promise<boolean> {
    try {
      const { sizeBytes } = await this.#daemon.view(volume, snapshot);
      const path = `/v1/volumes/${volume}/snapshots/${snapshot}/grow`;
      const { body } = await this.#daemon.ask<{ id: string }>("POST", path, { size: sizeBytes + STEP_BYTES });
      const { state } = await this.#daemon.ended(body.id, "done", "failed");
      if (state === "done") this.grown += 1;
      return true;
    } catch (error) {
      // It is gone, or somebody grows it: whatever is left to wait for is told again.
      if (error instanceof ControlError) return error.code !== "busy";
      throw error;
    }
  }
}
