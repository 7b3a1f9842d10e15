/**
 * Creations in several volumes that are one point in time, or nothing (E-50): each waits at its halts until all have come there.
 *
 *   volume A   prepared ┄┄┄┄┐         held ┄┄┐ ┌▶ list, open ──▶ durable ┄┄┄┐
 *   volume B   …… prepared ─┼▶ close … held ─┼─┼▶ list, open ──▶ … durable ─┼▶ finished, all of them
 *   volume C   … prepared ┄┄┘     held ┄┄┄┄┄┄┘ └▶ list, open ──▶ durable ┄┄┄┘
 *
 * No gate opens before all are closed and empty: between these two there is a moment at which no write is in flight in any of the volumes, and it is
 * the snapshots'. Who writes to B after an answer from A is in both or in A only. That A opens before B is listed does
 * no harm, for B's gate is closed until then. The road that was not taken, each volume closed, listed and opened by itself,
 * has no such moment: what A lets through is answered, and what follows it on B is in B's snapshot.
 *
 * Where one fails the others are given up: before the release what was made is undone, after it dropped. Pure, and deaf to what comes
 * from one that has ended; the shells of the volumes tell it, and it tells them, never inside of an effect.
 */
import type { CreationHalt } from "./ports.ts";

/** The creation in one volume (creation.ts), or who tells it. */
export interface GroupedCreation {
  goOn(): void;
  cancel(): void;
}

interface Member {
  readonly creation: GroupedCreation;
  at: CreationHalt | undefined;
  hasEnded: boolean;
}

export class CreationGroup {
  readonly #members: readonly Member[];
  #isGivenUp = false;

  constructor(creations: readonly GroupedCreation[]) {
    this.#members = creations.map((creation) => ({ creation, at: undefined, hasEnded: false }));
  }

  /** The creation of this number (of the constructor's) waits there. One that had not begun when the group was given up is given up now. */
  reached(number: number, halt: CreationHalt): void {
    const member = this.#members[number]!;
    member.at = halt;
    if (this.#isGivenUp) member.creation.cancel();
    else if (this.#members.every(({ at }) => at === halt)) for (const { creation } of this.#members) creation.goOn();
  }

  /** It has ended; with an error it takes the others along. */
  ended(number: number, error: number): void {
    this.#members[number]!.hasEnded = true;
    if (error !== 0) this.cancel();
  }

  /** Nothing is to come of any of them. */
  cancel(): void {
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    for (const { creation, hasEnded } of this.#members) if (!hasEnded) creation.cancel();
  }
}
