/**
 * What main has not been told of copies: targets that have ended (E-18).
 *
 *   all targets of a copy have ended ───────────────────────────────────▶ Copied
 *   some have ─┬─ the others' device is slow, by what else it has ───────▶ Copied
 *              └─ wait for the others … for as long as a healthy device takes ─▶ Copied
 *
 * So a copy has one answer as long as its devices answer, and a device that does not holds back the answers of no other.
 */
import type { Outbox } from "../../src/ring/outbox.ts";
import { Message } from "../../src/ring/messages.ts";
import { Copied } from "../../src/ring/to-main.ts";
import type { SegmentedCopy } from "./segmented-copy.ts";
import type { SlowClock } from "./slow-clock.ts";
import type { SlowDevices } from "./slow-devices.ts";

export class CopyAnswers {
  readonly #outbox: Outbox;
  readonly #clock: SlowClock;
  readonly #slow: SlowDevices;
  readonly #news: SegmentedCopy[] = [];

  constructor(outbox: Outbox, clock: SlowClock, slow: SlowDevices) {
    this.#outbox = outbox;
    this.#clock = clock;
    this.#slow = slow;
  }

  /** Some targets wait for others to be told with. */
  get wait(): boolean {
    return this.#news.length > 0;
  }

  /** A target of the copy has ended. */
  targetEnded(job: SegmentedCopy): void {
    if (job.newsAt !== -1) return;
    job.newsAt = this.#clock.now;
    this.#news.push(job);
  }

  /** Tell what is to be told; `told` gets each copy of which something was. */
  flush(told: (job: SegmentedCopy) => void): void {
    const news = this.#news;
    let kept = 0;
    for (let i = 0; i < news.length; i++) {
      const job = news[i]!;
      if (this.#isDue(job)) {
        this.#tell(job);
        told(job);
      } else news[kept++] = job;
    }
    news.length = kept;
  }

  #isDue(job: SegmentedCopy): boolean {
    const underWay = job.all & ~job.ended;
    return underWay === 0 || this.#clock.isSlow(job.newsAt) || this.#slow.isAny(job, underWay);
  }

  #tell(job: SegmentedCopy): void {
    const fresh = job.ended & ~job.told;
    const failed = job.failed & fresh;
    const { words } = this.#outbox;
    const at = this.#outbox.begin(Message.Copied, job.volume, job.id);
    Copied.endedTargets.set(words, at, fresh);
    Copied.readError.set(words, at, job.readError);
    Copied.failedTargets.set(words, at, failed);
    Copied.writeError.set(words, at, failed === 0 ? 0 : job.writeError[31 - Math.clz32(failed)]);
    job.told = job.ended;
    job.newsAt = -1;
  }
}
