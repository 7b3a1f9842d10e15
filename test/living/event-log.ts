/**
 * Whoever follows the daemon's events over its kills, and comes back each time with the last id that he has seen.
 *
 *   connect ─▶ event, event … ─▶ cut ─▶ connect with Last-Event-ID ─▶ the next one, and no other
 *
 * Ids rise by one: none is lost, none comes twice. At the end the whole journal is read again: what was told stands in it, word for word.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Event } from "../../src/cli/control-client.ts";
import type { DaemonProcess } from "../support/daemon-process.ts";

const AGAIN_MS = 50;

export class EventLog {
  readonly events: Event[] = [];
  readonly #daemon: DaemonProcess;
  readonly #heard: (event: Event) => void;
  #isOver = false;
  #running: Promise<void> = Promise.resolve();

  constructor(daemon: DaemonProcess, heard: (event: Event) => void) {
    this.#daemon = daemon;
    this.#heard = heard;
  }

  start(failed: (error: Error) => void): void {
    this.#running = this.#run().catch(failed);
  }

  /** When the daemon has ended. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  /** Resolves when everything up to this one has been heard. */
  async until(id: number): Promise<void> {
    while (this.#last < id) await sleep(AGAIN_MS);
  }

  /** The journal, as a client gets it that begins at its beginning, up to this id. */
  async wholeJournal(lastId: number): Promise<readonly Event[]> {
    const all: Event[] = [];
    for await (const event of this.#daemon.control.events("?after=0", undefined)) {
      all.push(event);
      if (event.id >= lastId) break;
    }
    return all;
  }

  /** Throws where what was told is not what the journal has. */
  judge(journal: readonly Event[]): void {
    const kept = new Map(journal.filter(({ type }) => type !== "gap").map((event) => [event.id, event]));
    for (const event of this.events) {
      const there = kept.get(event.id);
      if (there === undefined && event.id > (journal[0]?.id ?? 0)) throw new Error(`event ${event.id} is not kept`);
      if (there !== undefined && JSON.stringify(there) !== JSON.stringify(event))
        throw new Error(`event ${event.id} was told as ${JSON.stringify(event)}, and is ${JSON.stringify(there)}`);
    }
  }

  get #last(): number {
    return this.events.at(-1)?.id ?? 0;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        for await (const event of this.#daemon.control.events("", this.#last)) this.#take(event);
      } catch (error) {
        if (error instanceof LostEvent) throw error;
      }
      await sleep(AGAIN_MS);
    }
  }

  #take(event: Event): void {
    if (event.id !== this.#last + 1)
      throw new LostEvent(`behind event ${this.#last} came ${event.id}: ${JSON.stringify(event)}`);
    this.events.push(event);
    this.#heard(event);
  }
}

class LostEvent extends Error {
  override readonly name = "LostEvent";
}
