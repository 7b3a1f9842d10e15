/**
 * The metadata worker's arena: zeroes, and the images of areas and headers that main fills (writes) or reads (reads).
 *
 *   ┌─────────────┬──────────────────┬──────────────────────────────────────────────┐
 *   │ wake, 1 page│ zeroes, 256 KiB  │ image slots, METADATA_SLOT_BYTES each        │
 *   └─────────────┴──────────────────┴──────────────────────────────────────────────┘
 *
 * A slot belongs to main until its job is sent, and again when the job is done: the image that is being written is one that
 * main no longer touches (C-21).
 */
import { assert } from "../base/assert.ts";
import { PAGE_BYTES } from "./slots.ts";

export const METADATA_ZEROES: number = PAGE_BYTES;
export const METADATA_ZERO_BYTES: number = 256 * 1024;
export const METADATA_IMAGES: number = METADATA_ZEROES + METADATA_ZERO_BYTES;
export const METADATA_SLOT_BYTES: number = 64 * 1024;
export const METADATA_SLOTS = 512;
export const METADATA_ARENA_BYTES: number = METADATA_IMAGES + METADATA_SLOTS * METADATA_SLOT_BYTES;

export function metadataSlotAddress(slot: number): number {
  assert(slot >= 0 && slot <= METADATA_SLOTS, "an image slot of the arena, or its end");
  return METADATA_IMAGES + slot * METADATA_SLOT_BYTES;
}
