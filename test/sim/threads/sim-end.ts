/**
 * How a volume of depth B leaves its engine while others stay: what running-volume.ts does, in its order, without its promises.
 *
 *   close   clients drain (volume-stop.ts) ─▶ core: commit all, flush ─▶ no copy, no metadata job ─▶ the origin is flushed ─┐
 *   fail    the core is asked nothing any more ─▶ clients are cut off ─▶ no copy, no metadata job ─────────────────────────┤
 *                                            nothing is on its way to the register ─▶ every worker forgets it ─▶ numbers free
 *
 * Each step of the engine asks whether it can go on. Who fails while it closes goes the second way from there.
 */
import type { Channel } from "../../../src/engine/channel.ts";
import { VolumeStop } from "../../../src/engine/volume-stop.ts";
import type { FakeDisk } from "../../support/core/fake-disk.ts";
import type { SimEngine } from "./sim-engine.ts";
import type { SimShell } from "./sim-shell.ts";

type Stage = "serves" | "clients" | "core" | "jobs" | "register" | "workers" | "over";

export interface SimEndParts {
  readonly engine: SimEngine;
  readonly volume: number;
  readonly shell: SimShell;
  readonly origin: FakeDisk;
  /** An order to the core; its number. */
  readonly order: (start: (operation: number) => void) => number;
  /** The numbers of its devices. */
  readonly files: () => readonly number[];
}

export class SimEnd {
  readonly #parts: SimEndParts;
  readonly #stop: VolumeStop;
  readonly #workers: Set<Channel>;
  #stage: Stage = "serves";
  #operation = 0;
  #failed = false;
  #error = 0;

  constructor(parts: SimEndParts) {
    const exports = parts.engine.channels.exports as unknown as readonly Channel[];
    this.#parts = parts;
    this.#stop = new VolumeStop(parts.volume, exports);
    this.#workers = new Set(exports);
  }

  get isOver(): boolean {
    return this.#stage === "over";
  }

  /** Nothing failed. */
  get isWell(): boolean {
    return !this.#failed && this.#error === 0;
  }

  close(): void {
    this.#stage = "clients";
    void this.#stop.drain();
  }

  cutClients(): void {
    if (this.#stage === "clients") this.#stop.cut();
  }

  fail(): void {
    if (this.#failed || this.#stage === "workers" || this.#stage === "over") return;
    this.#failed = true;
    this.#stage = "clients";
    this.#parts.shell.end();
    void this.#stop.abandon();
  }

  /** A worker has said so. */
  stopped(worker: Channel): void {
    this.#stop.stopped(worker, 0, 0);
    this.#workers.delete(worker);
  }

  /** Its time limits are over. */
  give(): void {
    this.#stop.close();
  }

  /** False: it cannot go on now. */
  advance(): boolean {
    const { shell, origin, order } = this.#parts;
    switch (this.#stage) {
      case "clients":
        if (this.#workers.size > 0) return false;
        this.#stage = this.#failed ? "jobs" : "core";
        if (!this.#failed) this.#operation = order((id) => shell.core.close(id));
        return true;
      case "core": {
        const result = shell.results.get(this.#operation);
        if (result === undefined) return false;
        this.#error = result.error;
        this.#stage = "jobs";
        return true;
      }
      case "jobs":
        if (shell.jobs > 0) return false;
        if (!this.#failed) this.#error ||= origin.flush();
        this.#stage = "register";
        return true;
      case "register":
        if (shell.records > 0) return false;
        shell.end();
        this.#forget();
        return true;
      default:
        return false;
    }
  }

  #forget(): void {
    const { engine, volume, files } = this.#parts;
    const gone = files();
    this.#stage = "workers";
    engine.tell({ kind: "forgetVolume", volume }, { gone }, () => {
      engine.leave(volume);
      for (const file of gone) engine.files.give(file);
      this.#stop.close();
      this.#stage = "over";
    });
  }
}
