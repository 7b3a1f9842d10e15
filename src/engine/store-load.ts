/**
 * Main's side of a store that is read, and whose table is built, in an opening thread (opening/tasks.ts draws the two sides).
 *
 *   begin ─▶ found ─▶ build ─▶ the table is main's
 *               └──▶ end: nobody builds it
 *
 * Main does nothing here for each exception, and nothing for each chunk of the origin: of the list it gets a number for each full area, of the table a byte
 * for each million chunks.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import type { FoundList, StoreOrder } from "../opening/store-reading.ts";
import type { BuildOrder, LoadEnd, LoadWord } from "../opening/tasks.ts";
import { TableWriter } from "../table/table-writer.ts";
import type { Openings, RunOptions } from "./opening-pool.ts";

export interface LoadWatch {
  /** Called once, while a store is read that takes its time. */
  readonly takesLong?: (() => void) | undefined;
  readonly stop?: AbortSignal | undefined;
  /** The device that is read. */
  readonly uses?: RunOptions["uses"];
}

export class StoreLoad {
  readonly found: FoundList;
  readonly #port: MessagePort;
  readonly #ended: Promise<LoadEnd>;

  private constructor(found: FoundList, port: MessagePort, ended: Promise<LoadEnd>) {
    this.found = found;
    this.#port = port;
    this.#ended = ended;
  }

  /** Throws a SnapringError: what the rules S-12…S-39 refuse; an AbortError. `end` it. */
  static async begin(openings: Openings, order: StoreOrder, watch: LoadWatch): Promise<StoreLoad> {
    const { takesLong, stop, uses } = watch;
    const { port1, port2 } = new MessageChannel();
    const found = new Promise<FoundList>((resolve) => {
      port1.on("message", (word: LoadWord) => {
        if (word.kind === "found") resolve(word.found);
        else takesLong?.();
      });
    });
    const ended = openings.run("loadStore", order, { port: port2, stop, uses });
    ended.catch(() => {});
    try {
      return new StoreLoad(await Promise.race([found, ended.then((end) => end.found)]), port1, ended);
    } catch (error) {
      port1.close();
      throw error;
    }
  }

  /** The writer of the table in `memory`, filled. Throws a SnapringError: an old chunk is there twice (S-38), ENOMEM. */
  async build(memory: SharedArrayBuffer, invalid: boolean): Promise<TableWriter> {
    if (this.found.loaded.state !== "active") return new TableWriter(memory);
    const order: BuildOrder = { table: memory, invalid };
    this.#port.postMessage(order);
    const { table } = await this.#ended;
    assert(table !== undefined, "what is to be built is built");
    return new TableWriter(memory, table);
  }

  /** Resolves when nothing reads the store any more. A second call does nothing. */
  async end(): Promise<void> {
    this.#port.close();
    await this.#ended.catch(() => {});
  }
}
