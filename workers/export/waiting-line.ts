/**
 * Connections whose parsing waits for a slot or a record, in the order in which they came, and who of them has his turn first.
 *
 *   1  holds no memory, and has read a reply before     what comes back goes to these first, each taking one slot;
 *   2  holds no memory                                  as long as one of them waits for a size, nobody else gets
 *   3  the rest                                         a second slot of it
 *
 * So clients that ask and do not read cannot keep one that does waiting behind the whole line of them: they get no more than a slot each while he
 * waits, and what is taken from those whose time is over (Relieve) is his.
 */
import { assert } from "../../src/base/assert.ts";
import type { Connection } from "./connection.ts";
import type { ExportShare } from "./export-share.ts";

const RANKS = 3;

/** What a connection waits for is no slot. */
export const NO_SIZE_CLASS = -1;

export class WaitingLine {
  readonly #waiting: Connection[] = [];
  /** Those who hold no memory, by the size class of the slot that they wait for. */
  readonly #emptyHanded: Int32Array;

  constructor(sizeClasses: number) {
    this.#emptyHanded = new Int32Array(sizeClasses);
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Parsing stops here. `sizeClass`: of the slot that there is none of, or NO_SIZE_CLASS; `share`: of the export that has too many of them already. */
  add(connection: Connection, sizeClass: number, share: ExportShare | null = null): void {
    assert(!connection.stalled, "a connection stands in the line twice");
    connection.stalled = true;
    connection.waitsFor = connection.heldBytes === 0 ? sizeClass : NO_SIZE_CLASS;
    connection.waitsIn = share;
    if (connection.waitsFor !== NO_SIZE_CLASS) this.#emptyHandedOf(connection)[connection.waitsFor] += 1;
    this.#waiting.push(connection);
  }

  /** It waits no more. */
  remove(connection: Connection): void {
    const at = this.#waiting.indexOf(connection);
    assert(at !== -1, "a connection left a line in which it does not stand");
    this.#waiting.splice(at, 1);
    this.#left(connection);
  }

  /** True: the connection has a slot, and somebody who has none waits for one of this size, of all or of those of its export. */
  isFor(others: Connection, sizeClass: number, share: ExportShare | null = null): boolean {
    if (this.#waiting.length === 0 || others.heldBytes === 0) return false;
    return this.#emptyHanded[sizeClass] > 0 || (share !== null && share.waiting[sizeClass] > 0);
  }

  /** Everybody tries once more, by rank; who finds nothing stands in the line again. */
  resume(parse: (connection: Connection) => void): void {
    for (let rank = 0; rank < RANKS; rank++) {
      for (let n = this.#waiting.length; n > 0; n--) {
        const connection = this.#waiting.shift() as Connection;
        if (rankOf(connection) !== rank) {
          this.#waiting.push(connection);
          continue;
        }
        this.#left(connection);
        parse(connection);
      }
    }
  }

  some(test: (connection: Connection) => boolean): boolean {
    return this.#waiting.some(test);
  }

  #emptyHandedOf({ waitsIn }: Connection): Int32Array {
    return waitsIn === null ? this.#emptyHanded : waitsIn.waiting;
  }

  #left(connection: Connection): void {
    if (connection.waitsFor !== NO_SIZE_CLASS) {
      const emptyHanded = this.#emptyHandedOf(connection);
      emptyHanded[connection.waitsFor] -= 1;
      assert(emptyHanded[connection.waitsFor] >= 0, "more left the line than stood in it");
    }
    connection.waitsIn = null;
    connection.waitsFor = NO_SIZE_CLASS;
    connection.stalled = false;
    connection.waitsForOthers = false;
  }
}

function rankOf(connection: Connection): number {
  if (connection.heldBytes > 0) return 2;
  return connection.hasRead ? 0 : 1;
}
