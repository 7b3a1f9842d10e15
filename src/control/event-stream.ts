/**
 * One client's stream of events, as server-sent ones: first what it has missed, at the pace at which it reads, then each as it comes.
 *
 *   begin(after) ─▶ what the journal has behind it: written, drained, … ─▶ nothing is behind ─▶ listens ─▶ event, event, …
 *                     └─ it takes nothing for DRAIN_MS: cut off                                  └─ more than UNREAD_BYTES_MAX of new ones unread: cut off
 *
 * The last look into the journal and the first listening are in one turn, so nothing falls between them. A sign of life carries the id of the last event that has
 * gone by, also of those that are not for this client: who watches a quiet volume does not come back with an id that the journal has long forgotten.
 */
import { once } from "node:events";
import type { Writable } from "node:stream";
import type { DaemonEvent } from "../daemon/daemon-event.ts";
import type { Journal } from "../daemon/journal.ts";

export const BEAT_MS = 15_000;
export const DRAIN_MS = 60_000;
const UNREAD_BYTES_MAX = 1024 * 1024;

export class EventStream {
  readonly #journal: Journal;
  readonly #out: Writable;
  readonly #volume: string | undefined;
  /** Id of the last event that has gone by. */
  #last: number | undefined;

  /** `volume`: only what is about it, and gaps. */
  constructor(journal: Journal, out: Writable, volume: string | undefined) {
    this.#journal = journal;
    this.#out = out;
    this.#volume = volume;
  }

  /** Until `out` is closed. `after`: those behind this one first. Resolves when it listens, or `out` is closed. */
  async begin(after: number | undefined): Promise<void> {
    const out = this.#out;
    // Who has gone is told nothing.
    out.on("error", () => {});
    out.write(": events\n\n");
    const beat = setInterval(() => this.#beat(), BEAT_MS);
    out.once("close", () => clearInterval(beat));
    if (after !== undefined) await this.#tellMissed(after);
    if (out.destroyed) return;
    const end = this.#journal.listen((event) => {
      this.#tell(event);
      if (out.writableLength > UNREAD_BYTES_MAX) out.destroy();
    });
    out.once("close", end);
  }

  async #tellMissed(after: number): Promise<void> {
    this.#last = after;
    for (;;) {
      const behind = this.#journal.since(this.#last);
      if (behind.length === 0) return;
      for (const event of behind) {
        this.#tell(event);
        if (this.#out.writableNeedDrain) await this.#drained();
        if (this.#out.destroyed) return;
      }
    }
  }

  /** Or it is closed. */
  async #drained(): Promise<void> {
    const late = setTimeout(() => this.#out.destroy(), DRAIN_MS);
    const ended = new AbortController();
    const end = (): void => ended.abort();
    this.#out.once("close", end);
    await once(this.#out, "drain", { signal: ended.signal }).catch(() => {});
    this.#out.off("close", end);
    clearTimeout(late);
  }

  #tell(event: DaemonEvent): void {
    this.#last = event.id;
    if (this.#volume !== undefined && event.volume !== this.#volume && event.type !== "gap") return;
    this.#out.write(`id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  /** An id alone is no event: the client keeps it. */
  #beat(): void {
    if (this.#out.writableNeedDrain) return;
    this.#out.write(this.#last === undefined ? ": still here\n\n" : `: still here\nid: ${this.#last}\n\n`);
  }
}
