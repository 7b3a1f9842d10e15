/**
 * The arena of an export worker.
 *
 *   ┌──────────────┬───────────────┬────────────┬───────────────────┬─────────────┬──────────────────────────────┐
 *   │ wake, 1 page │ reply headers │ zeroes     │ small slots       │ large slots │ connections                  │
 *   └──────────────┴───────────────┴────────────┴───────────────────┴─────────────┴──────────────────────────────┘
 *    ◀───────────── registered with the ring, and pinned by that ──▶
 *
 *   a connection
 *   ┌──────────────────────────┬────────────────┬──────────────────────────┬────────────────────┐
 *   │ inbox                    │ receive vector │ send vector              │ handshake output   │
 *   └──────────────────────────┴────────────────┴──────────────────────────┴────────────────────┘
 */
import {
  INBOX_BYTES,
  MAX_CONNECTIONS_PER_WORKER,
  MAX_REPLIES_PER_SEND,
  MAX_REQUESTS_PER_WORKER,
  MAX_WHOLE_BYTES,
  REPLY_BYTES_MAX,
} from "../base/constants.ts";
import { alignUp } from "../base/units.ts";
import { PAGE_BYTES, type SlotClass, slotArenaBytes } from "./slots.ts";

const SMALL_SLOTS: readonly SlotClass[] = [
  { bytes: 16 * 1024, count: 512 },
  { bytes: 128 * 1024, count: 64 },
];
/** Those that nobody uses cost nothing but addresses. So many that one client alone has 12 of them, one export two of the largest, and others find some. */
const LARGE_SLOTS: readonly SlotClass[] = [
  { bytes: 1024 * 1024, count: 24 },
  { bytes: MAX_WHOLE_BYTES, count: 3 },
];
export const EXPORT_SLOTS: readonly SlotClass[] = [...SMALL_SLOTS, ...LARGE_SLOTS];

export const EXPORT_HEADERS = PAGE_BYTES;
export const EXPORT_ZEROES: number = alignUp(EXPORT_HEADERS + MAX_REQUESTS_PER_WORKER * REPLY_BYTES_MAX, PAGE_BYTES);
export const EXPORT_ZERO_BYTES: number = 256 * 1024;
export const EXPORT_SLOTS_AT: number = EXPORT_ZEROES + EXPORT_ZERO_BYTES;
export const EXPORT_CONNECTIONS: number = EXPORT_SLOTS_AT + slotArenaBytes(EXPORT_SLOTS);
export const EXPORT_REGISTERED_BYTES: number = EXPORT_SLOTS_AT + slotArenaBytes(SMALL_SLOTS);

/** Inside a connection's part. */
export const RECEIVE_VECTOR: number = INBOX_BYTES;
export const SEND_VECTOR: number = RECEIVE_VECTOR + 64;
export const OUTPUT: number = SEND_VECTOR + MAX_REPLIES_PER_SEND * 8;
export const OUTPUT_BYTES: number = PAGE_BYTES;
export const CONNECTION_BYTES: number = alignUp(OUTPUT + OUTPUT_BYTES, PAGE_BYTES);

export const EXPORT_ARENA_BYTES: number = EXPORT_CONNECTIONS + MAX_CONNECTIONS_PER_WORKER * CONNECTION_BYTES;
