/**
 * The arena of a copy worker: the wake-up's page, then one slot for each segment of a copy that is under way.
 */
import { PAGE_BYTES } from "./slots.ts";

/** Large enough that a device is busy with few operations, small enough that many copies run at once. */
export const SEGMENT_BYTES: number = 64 * 1024;
export const COPY_SEGMENTS = 128;
export const COPY_SLOTS_AT = PAGE_BYTES;
export const COPY_ARENA_BYTES: number = COPY_SLOTS_AT + COPY_SEGMENTS * SEGMENT_BYTES;
