/**
 * Requests whose client has gone: they belong to nobody, so that he keeps no place among the connections while a device, or main, still
 * has what he asked for.
 *
 *   broken ──▶ the kernel has let go of its receive and send ──▶ take ──▶ the record is free for the next client
 *                                                                 └──▶ requests: heirs, of which no more than two are ever needed
 *
 * An heir is a connection without a socket: broken, so that replies to it are dropped. What it holds (slots, pieces, gates) comes back as the
 * operations end, as ever. Requests of a client that has said DISC are done, as long as their volume serves; the others are given up (pieces.ts).
 */
import { assert } from "../../src/base/assert.ts";
import type { Connection } from "./connection.ts";
import type { Pieces } from "./pieces.ts";

export class Departed {
  readonly #pieces: Pieces;
  readonly #givesUp: Connection;
  readonly #saidGoodbye: Connection;

  /** `heirs`: two records; nothing is ever read from or written to their parts of the arena. */
  constructor(pieces: Pieces, heirs: readonly Connection[]) {
    assert(heirs.length === 2, "one heir for each way to go");
    this.#pieces = pieces;
    this.#givesUp = inherits(heirs[0]);
    this.#saidGoodbye = inherits(heirs[1]);
    this.#saidGoodbye.saidGoodbye = true;
  }

  /** Nothing of the connection is in the kernel's hands: its requests change hands. */
  take(connection: Connection): void {
    assert(connection.broken && !connection.isPosted, "a client left and the kernel still has its record");
    if (connection.requests === 0) return;
    this.#pieces.handOver(connection, connection.givesUp ? this.#givesUp : this.#saidGoodbye);
  }
}

function inherits(heir: Connection): Connection {
  heir.broken = true;
  return heir;
}
