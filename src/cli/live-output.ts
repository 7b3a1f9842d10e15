/**
 * Output while a volume is open: it never throws, never blocks, and never takes more than a little memory.
 *
 *   write ─▶ nothing waits: to the descriptor at once ─ EAGAIN ─▶ waits, tried again after a pause ─▶ …
 *         └▶ something waits: behind it, if there is room ─ else dropped        any other error: dropped
 *
 * The main thread is the one that decides for every client. An error of stderr that became an exception in the midst of the
 * core's turn would leave its writers without an answer, and a write to a pipe that nobody reads would stop everybody. So a line
 * that cannot be written is dropped and counted, and the next one is tried again: a full disk may have room, a FIFO a new reader.
 *
 * A line of which a part was written is finished before anything else, or, where that fails, ended by the next one. It knows only
 * a function that writes; which descriptor that is, and that it does not block, is `own-descriptor.ts`.
 */

/** What may wait for a slow reader. A longer line waits if it is alone: statistics are one line. */
const WAITING_BYTES_MAX = 256 * 1024;
const PAUSE_MS_MIN = 5;
const PAUSE_MS_MAX = 100;

const LINE_END = Buffer.from("\n");

/** Writes some of the bytes and returns how many; throws an error with a `code`. */
export type Sink = (bytes: Uint8Array) => number;

export class LiveOutput {
  readonly #sink: Sink;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** A part of the first that waits has been written. */
  #begun = false;
  /** The last thing written is a part of a line whose rest was dropped. */
  #cut = false;
  /** The first that waits begins with the end of that line. */
  #ending = false;
  #pauseMs = PAUSE_MS_MIN;
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Writes (lines) that were given up. */
  get dropped(): number {
    return this.#dropped;
  }

  write(text: string): void {
    const bytes = Buffer.from(text);
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#timer === undefined) this.#send();
  }

  /** Resolves when nothing waits any more; after so many milliseconds what waits is dropped. */
  async drained(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    while (this.#waiting.length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS_MIN));
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0) this.#drop();
  }

  #send(): void {
    while (this.#waiting.length > 0) {
      this.#endCutLine();
      const [bytes] = this.#waiting;
      let written: number;
      try {
        written = this.#sink(bytes);
      } catch (error) {
        if ((error as { code?: unknown }).code === "EAGAIN") return this.#pause();
        this.#drop();
        continue;
      }
      if (written === 0 && bytes.length > 0) return this.#pause();
      this.#took(bytes, written);
    }
  }

  #endCutLine(): void {
    if (!this.#cut || this.#ending) return;
    this.#waiting[0] = Buffer.concat([LINE_END, this.#waiting[0]]);
    this.#waitingBytes += LINE_END.length;
    this.#ending = true;
  }

  #took(bytes: Uint8Array, written: number): void {
    this.#pauseMs = PAUSE_MS_MIN;
    this.#waitingBytes -= written;
    this.#cut = false;
    this.#ending = false;
    this.#begun = written < bytes.length;
    if (this.#begun) this.#waiting[0] = bytes.subarray(written);
    else this.#waiting.shift();
  }

  #drop(): void {
    const bytes = this.#waiting.shift() as Uint8Array;
    this.#waitingBytes -= bytes.length;
    this.#cut ||= this.#begun;
    this.#begun = false;
    this.#ending = false;
    this.#dropped += 1;
  }

  /** The volume keeps the process alive, not the rest of a line. */
  #pause(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, this.#pauseMs);
    this.#timer.unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS_MAX);
  }
}
