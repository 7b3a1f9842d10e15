/**
 * Main's numbers for connections, by which it and the workers speak of them.
 *
 * They travel in words of 32 bits, in which -1 is nobody: so they go from 1 to 2^31 - 1, and then begin again, without those that are still
 * in use. At a thousand connections a second that is after 24 days; a message that is late by so much there is none.
 */
const LAST_ID = 2 ** 31 - 1;

export class ConnectionIds {
  #last: number;

  constructor(last = 0) {
    this.#last = last;
  }

  /** The next one that is not in use: fewer are in use at a time than there are. */
  next(isInUse: (id: number) => boolean): number {
    do this.#last = this.#last === LAST_ID ? 1 : this.#last + 1;
    while (isInUse(this.#last));
    return this.#last;
  }
}
