/**
 * Messages as tests write and read them: by their words, not by the declarations that both sides of the product share. A field that
 * moves is seen so.
 */
import type { Outbox } from "../../src/ring/outbox.ts";

/** In word 2 of Claim, ClaimOrigin and Reserved: a snapshot's index, and from this bit on the epoch of its reserves. */
export const EPOCH_SHIFT = 16;
export const SNAPSHOT_MASK = 0xffff;

/** Of volume 0, or of none. `rest`: words 2 and on; those that are not given are 0. */
export function sendWords(outbox: Outbox, kind: number, token: number, ...rest: readonly number[]): void {
  sendWordsOf(outbox, kind, 0, token, ...rest);
}

export function sendWordsOf(
  outbox: Outbox,
  kind: number,
  volume: number,
  token: number,
  ...rest: readonly number[]
): void {
  const at = outbox.begin(kind, volume, token);
  for (let i = 0; i < 6; i++) outbox.words[at + 2 + i] = rest[i] ?? 0;
}
