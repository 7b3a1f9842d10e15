/**
 * Whether a file system that was full may have room by now, for requests that wait until it does (E-48, S-47).
 *
 *   start ──▶ after a while: freeBytes, in an opening thread ─┬─ more is free than before, or the last try was long ago ──▶ try
 *               ▲                                             └─ as little as ever ─┐                                       │
 *               └───────────────────────────────────────────────────────────────────┴───────────────────────────────────────┘
 *
 * A file system tells nobody that it has room again, and what it calls free is no more than a hint: a quota, what is kept for root, and the largest size of a
 * file are not in it. So one of those who wait tries, at once where more is free, else ever less often. Runs on main; who has begun it ends it.
 */
import { GROWTH_RETRY_MAX_MS, ROOM_LOOK_MS } from "../base/constants.ts";

export interface RoomWatchParts {
  /** Bytes that are free on the file system. Rejects where nobody can say. */
  free(): Promise<number>;
  /** One of those who wait is to try. */
  tryAgain(): void;
}

export class RoomWatch {
  readonly #parts: RoomWatchParts;
  #timer: NodeJS.Timeout | undefined;
  /** Since `start`; 0: it does not watch. A look of an older watch says nothing. */
  #watch = 0;
  #watches = 0;
  /** The least that was free since the last try. */
  #least = -1;
  #restMs = 0;
  #sinceTryMs = 0;

  constructor(parts: RoomWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.stop();
    this.#watches += 1;
    this.#watch = this.#watches;
    this.#least = -1;
    this.#restMs = ROOM_LOOK_MS;
    this.#sinceTryMs = 0;
    this.#rest();
  }

  stop(): void {
    this.#watch = 0;
    clearTimeout(this.#timer);
  }

  #rest(): void {
    this.#timer = setTimeout(() => void this.#look(this.#watch), ROOM_LOOK_MS);
    this.#timer.unref();
  }

  async #look(watch: number): Promise<void> {
    const free = await this.#parts.free().catch(() => this.#least);
    if (watch !== this.#watch) return;
    this.#sinceTryMs += ROOM_LOOK_MS;
    if (free > this.#least || this.#sinceTryMs >= this.#restMs) this.#try(free);
    else this.#least = free;
    if (watch === this.#watch) this.#rest();
  }

  #try(free: number): void {
    this.#least = free;
    this.#sinceTryMs = 0;
    this.#restMs = Math.min(2 * this.#restMs, GROWTH_RETRY_MAX_MS);
    this.#parts.tryAgain();
  }
}
