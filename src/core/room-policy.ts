/**
 * What a user has chosen for a store that runs full (E-8, E-47, E-48), as the core needs it: whether it grows by itself, whether who needs room
 * waits for it, and what comes after that. It may change while the snapshot is open. How much it grows by and up to where, and how long a stall lasts, is
 * the shell's: the core knows neither files nor time.
 */
import type { StoreKind } from "../format/table-line.ts";

export interface RoomPolicy {
  /** Percent (1…99) of the store that are used when room is asked for; 0: it does not grow by itself. */
  readonly growAt: number;
  /** Where there is no room: a snapshot's own writes fail, and it stays (store PO); else it turns Invalid. */
  readonly overflows: boolean;
  /** Before that, who needs room waits until somebody adds some. */
  readonly stalls: boolean;
}

/** What the shell says of the room of a snapshot. */
export type RoomNews =
  /** It cannot grow now, and whoever asked for room need not wait for that. */
  | { readonly kind: "refused" }
  /** The longest time of a stall is over. */
  | { readonly kind: "stallOver" }
  /** The file system under it was full, and may have room by now. */
  | { readonly kind: "tryAgain" }
  | { readonly kind: "policy"; readonly policy: RoomPolicy };

/** As the kind of the store has it, and as the kernel does. */
export function policyOfStore(store: StoreKind): RoomPolicy {
  return { growAt: 0, overflows: store === "PO", stalls: false };
}
