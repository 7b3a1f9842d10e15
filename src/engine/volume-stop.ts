/**
 * The end of a volume in the export workers: its clients have their time, and then are cut; each worker says when nothing of the volume is left in it.
 *
 *   drain ─ StopVolume(Drain) ─▶ every export worker ─┬─▶ its clients are answered and end ──────▶ VolumeStopped
 *                                 CLOSE_GRACE_MS, cut ─ StopVolume(Cut) ─▶ what is under way ends ─┘
 *   abandon ─ StopVolume(Abandon) ─▶ what waits for main fails ─▶ … ─▶ VolumeStopped              the volume's core has failed
 *
 * The threads go on: they are the engine's. Runs on main.
 */
import { ABANDON_GRACE_MS, CLOSE_GRACE_MS } from "../base/constants.ts";
import { Message, StopHow } from "../ring/messages.ts";
import { StopVolume } from "../ring/to-workers.ts";
import type { Channel } from "./channel.ts";

/** What had to be given up. */
export interface CutClients {
  readonly requests: number;
  readonly clients: number;
}

export class VolumeStop {
  readonly #volume: number;
  readonly #exports: readonly Channel[];
  readonly #left: Set<Channel>;
  readonly #over: Promise<void>;
  #resolve: (() => void) | undefined;
  #grace: NodeJS.Timeout | undefined;
  #how: StopHow | undefined;
  #isImpatient = false;
  #isAbandoned = false;
  #requests = 0;
  #clients = 0;

  /** `exports`: the export workers, which know the volume. */
  constructor(volume: number, exports: readonly Channel[]) {
    this.#volume = volume;
    this.#exports = exports;
    this.#left = new Set(exports);
    this.#over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Resolves when the volume has no client and no request. */
  async drain(): Promise<void> {
    if (this.#how === undefined) {
      this.#tell(StopHow.Drain);
      this.#grace = setTimeout(() => this.#tell(StopHow.Cut), this.#isImpatient ? 0 : CLOSE_GRACE_MS);
    }
    await this.#over;
  }

  /** Clients have no time, or no more of it, when the volume stops. */
  cut(): void {
    if (this.#isImpatient || this.#how === StopHow.Cut) return;
    this.#isImpatient = true;
    if (this.#how !== StopHow.Drain) return;
    clearTimeout(this.#grace);
    this.#tell(StopHow.Cut);
  }

  /** It was by `cut` that clients were cut off, not by the end of their time. */
  get wasCut(): boolean {
    return this.#isImpatient;
  }

  /** Main answers nothing about the volume any more. Resolves as `drain`. */
  async abandon(): Promise<void> {
    if (!this.#isAbandoned) {
      this.#isAbandoned = true;
      clearTimeout(this.#grace);
      this.#tell(StopHow.Abandon);
      this.#grace = setTimeout(() => this.#tell(StopHow.Cut), ABANDON_GRACE_MS);
    }
    await this.#over;
  }

  /** A worker's answer. */
  stopped(worker: Channel, requests: number, clients: number): void {
    this.#requests += requests;
    this.#clients += clients;
    this.#left.delete(worker);
    if (this.#left.size > 0) return;
    clearTimeout(this.#grace);
    this.#resolve?.();
  }

  /** The threads have ended: nobody answers. */
  close(): void {
    clearTimeout(this.#grace);
    this.#resolve?.();
  }

  get cutClients(): CutClients {
    return { requests: this.#requests, clients: this.#clients };
  }

  #tell(how: StopHow): void {
    this.#how = how;
    for (const channel of this.#exports) {
      if (channel.dead || channel.isClosed) continue;
      const { outbox } = channel;
      const at = outbox.begin(Message.StopVolume, this.#volume, 0);
      StopVolume.how.set(outbox.words, at, how);
      outbox.flush();
    }
  }
}
