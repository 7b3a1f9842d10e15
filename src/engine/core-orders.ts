/**
 * What is ordered of a core and not over yet, as promises: the numbers that the core knows orders by, and who waits for their ends.
 *
 *   shell: begin ─▶ number ─▶ core … finished(number) ─▶ over resolves
 *                               └─ creation(number, step) ─▶ news, when the core's event is over
 *
 * A shell that has ended gives up what is left. Runs on main.
 */
import { errno } from "../base/errno.ts";
import type { CreationStep } from "../core/ports.ts";

/** How an order has ended. */
export interface Ended {
  readonly error: number;
  readonly message: string;
  /** Which of several snapshots has failed. */
  readonly snapshot?: number | undefined;
}

/** `at`: the time of the step, by performance.now(). */
export type CreationNews = (step: CreationStep, at: number) => void;

export interface CoreOrder {
  /** What the core calls it. */
  readonly operation: number;
  readonly over: Promise<Ended>;
}

interface Waiting {
  readonly settle: (end: Ended) => void;
  readonly news: CreationNews | undefined;
}

export class CoreOrders {
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  /** `news`: of a creation. */
  begin(news?: CreationNews): CoreOrder {
    const operation = this.#next++;
    const over = new Promise<Ended>((settle) => this.#waiting.set(operation, { settle, news }));
    return { operation, over };
  }

  finished(operation: number, end: Ended): void {
    const waiting = this.#waiting.get(operation);
    this.#waiting.delete(operation);
    waiting?.settle(end);
  }

  /** Whoever hears it may call the core. */
  step(operation: number, step: CreationStep): void {
    const at = performance.now();
    queueMicrotask(() => this.#waiting.get(operation)?.news?.(step, at));
  }

  giveUp(): void {
    for (const { settle } of this.#waiting.values()) settle({ error: errno.EIO, message: "the volume has ended" });
    this.#waiting.clear();
  }
}
