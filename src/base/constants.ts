/**
 * Every limit, with its reason; the relations between them are asserted at load.
 */
import { assert } from "./assert.ts";

/** Export workers of one volume: a gate has one cache line for each. */
export const MAX_EXPORT_WORKERS = 16;

/** Snapshots of one origin: an origin write looks its chunk up in each of them. */
export const MAX_SNAPSHOTS = 256;

/** Largest NBD payload: what common clients send at most, and what the block-size option announces. */
export const MAX_PAYLOAD_BYTES: number = 32 * 1024 * 1024;

/** Longest export name (the protocol allows 4096). */
export const MAX_EXPORT_NAME_BYTES = 4096;

/** Copies in flight per snapshot (E-25; the kernel's default). */
export const COW_THRESHOLD = 2048;

/** Chunks that one request may ask for at once; it looks again and asks for the rest after its release. */
export const MAX_CHUNKS_PER_NEED = 256;

/** Targets of one shared copy (E-18): the failed ones come back as bits of one word. */
export const MAX_COPY_TARGETS = 31;

/** One joined copy (E-27) reads at most this much. */
export const MAX_COPY_BYTES: number = 1024 * 1024;

/** Exceptions that may wait in a group before it is written without a waiter (S-54). */
export const GROUP_COUNT_MAX = 1024;

/** Milliseconds that a group may wait without a waiter (S-54). */
export const GROUP_WAIT_MS = 50;

/** Attempts to write the header of a snapshot that is being dropped (S-70). */
export const HEADER_WRITE_ATTEMPTS = 3;

/** Areas that are read ahead while a store is opened (S-36: at least 12). */
export const AREA_READ_AHEAD = 64;

/** Buckets of tracked reads per snapshot (protocol.md: trk), and neighbouring chunks that share one. */
export const TRACK_BUCKETS = 1024;
export const TRACK_CHUNKS_PER_BUCKET = 8;

assert(AREA_READ_AHEAD >= 12);
assert((TRACK_BUCKETS & (TRACK_BUCKETS - 1)) === 0);
assert(MAX_COPY_TARGETS < 32);
