/**
 * Every limit, with its reason; the relations between them are asserted at load.
 */
import { assert } from "./assert.ts";

/** Export workers of one volume: a gate has one cache line for each. */
export const MAX_EXPORT_WORKERS = 16;

/** Volumes of one engine: their numbers fit beside a message's kind, and each has its place in every worker. */
export const MAX_VOLUMES = 1024;

/** Name of the live volume at the addresses of its volume; the empty name means it, too. */
export const ORIGIN_EXPORT = "origin";

/** Devices that one engine has open, origins and COW devices: each takes a descriptor on main and one in every thread, so that few limits allow as many. */
export const MAX_DEVICE_FILES = 8192;

/** Snapshots of one origin: an origin write looks its chunk up in each of them. */
export const MAX_SNAPSHOTS = 256;

/** Largest NBD payload: what the largest clients send at most, and what the block-size option announces. */
export const MAX_PAYLOAD_BYTES: number = 64 * 1024 * 1024;

/** Largest payload that has memory for all of it; what is larger is read, sent and received part by part, in a slot of a part's size. */
export const MAX_WHOLE_BYTES: number = 32 * 1024 * 1024;

/** Longest export name (the protocol allows 4096). */
export const MAX_EXPORT_NAME_BYTES = 4096;

/** Payload of a refused write that is read and thrown away to stay in step; a longer one ends the connection. */
export const MAX_SKIPPED_PAYLOAD_BYTES: number = 2 * MAX_PAYLOAD_BYTES;

/** Data of one handshake option that is kept: the longest name, its frame, and far more information requests than there are kinds. */
export const MAX_OPTION_BYTES = 8192;

/** Data of one handshake option that is read and thrown away; a longer one ends the connection. */
export const MAX_SKIPPED_OPTION_BYTES: number = 1024 * 1024;

/** Options in one handshake: a client may ask for the list, then three times for every export in it. */
export const MAX_OPTIONS = 1024;

/** Answer to one option: the list of every export, with the longest names. */
export const MAX_OPTION_REPLY_BYTES: number = 2 * 1024 * 1024;

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

/** The longest wait that may be asked for: what a crash loses of writes that nobody flushed. */
export const GROUP_WAIT_MS_MAX = 60_000;

/** Microseconds that an idle worker may be told to poll before it sleeps; more would only be a thread that never sleeps. */
export const BUSY_POLL_US_MAX = 1_000_000;

/** Chunks that one step of a merge takes: each step costs a flush of the origin and one write per area, and holds back writes to its chunks. */
export const MERGE_CHUNKS_PER_STEP = 1024;

/** Runs that one step of a merge takes: scattered ones take long to copy, and whoever writes to one of them waits for all. */
export const MERGE_RUNS_PER_STEP = 256;

/** Stretches that the merging range has room for: as many as there are runs, where none lies beside another. */
export const MERGE_STRETCHES_MAX: number = MERGE_RUNS_PER_STEP;

/**
 * Chunks, and bytes of them, that a merge asks the other snapshots to keep at a time: enough of them to share a commit, and few enough
 * that a client's copy does not wait long behind theirs.
 */
export const MERGE_WINDOW_CHUNKS = 256;
export const MERGE_WINDOW_BYTES: number = 4 * 1024 * 1024;

/**
 * Copies of a merge under way at a time, alone and while clients are about: more of them make a merge alone up to a third faster, and a client's request
 * waits behind each.
 */
export const MERGE_COPIES = 8;
export const MERGE_COPIES_BESIDE = 4;

/**
 * Copies and bytes of a merge between two flushes of the origin, and slices of that size in a step, while clients are about. A flush writes
 * out what has been copied, and on many disks whatever is sent meanwhile waits for its end: 4 MiB of scattered chunks took 7 ms, 256 KiB 0.8.
 */
export const MERGE_SLICE_COPIES = 16;
export const MERGE_SLICE_BYTES: number = 256 * 1024;
export const MERGE_SLICES_PER_STEP = 4;

/** Slices and steps, one after the other, in which no request has ended: the clients have gone. Some tenth of a second. */
export const MERGE_QUIET_LOOKS = 32;

/** Attempts to write the header of a snapshot that is being dropped (S-70). */
export const HEADER_WRITE_ATTEMPTS = 3;

/** Areas that are read ahead while a store is opened (S-36: at least 12). */
export const AREA_READ_AHEAD = 64;

/**
 * Threads of an engine that open devices and stores, started as they are needed: so many tasks have their turn at a time, each for so many milliseconds at
 * most; what takes longer goes on beside. At the most threads, all of them wait for file systems that do not answer, and a further one is refused. Milliseconds
 * after which one that has nothing to do ends; and how long an opening that was aborted may take to notice.
 */
export const OPENING_TURNS = 8;
export const OPENING_TURN_MS = 1000;
export const OPENING_THREADS_MAX = 256;
export const OPENING_IDLE_MS = 1000;
export const OPENING_GRACE_MS = 1000;

/** A creation that was aborted is undone with several writes to each device, on a machine that may be busy; what has not ended then hangs. */
export const CREATION_GRACE_MS = 5000;

/** From so many exceptions on, their table and the room in which they are ordered have large pages: they fill several. */
export const HUGE_PAGES_EXCEPTIONS: number = 2 ** 19;

/** Milliseconds after which a growth that has failed is tried again while room is missing: after the first time, then after twice that, up to the last. */
export const GROWTH_RETRY_MIN_MS = 1000;
export const GROWTH_RETRY_MAX_MS = 60_000;

/** Milliseconds between two looks at a full file system, for requests that wait until it has room; and to the first try whether it has. */
export const ROOM_LOOK_MS = 250;

/** Buckets of tracked reads per snapshot (protocol.md: trk), and neighbouring chunks that share one. */
export const TRACK_BUCKETS = 1024;
export const TRACK_CHUNKS_PER_BUCKET = 8;
/** Buckets that one read piece may span: their parities are the bits of one word. */
export const TRACK_BUCKETS_PER_PIECE = 32;

/** Chunks of an origin that an exception table can index: its directory, one word for 256 chunks, is at most 1 GiB of address space. */
export const TABLE_CHUNKS_MAX: number = 2 ** 36;

/** Chunks of a COW device that a table entry can name: 46 bits of its two words. */
export const TABLE_NEW_CHUNKS_MAX: number = 2 ** 46;

/** Bytes of one exception table: just below the largest SharedArrayBuffer of Node 20 (4 GiB). About 180 million scattered exceptions. */
export const TABLE_BYTES_MAX: number = 2 ** 32 - 65536;

/** Entries of one vector (Linux's UIO_MAXIOV), and bytes that one call moves (its MAX_RW_COUNT). */
export const VECTOR_ENTRIES_MAX = 1024;
export const TRANSFER_BYTES_MAX = 0x7fff_f000;

/** Without the addon nobody tells when a socket is ready: it is tried again after the first time, then after twice that, up to the last. */
export const SOCKET_RETRY_MIN_MS = 0.05;
export const SOCKET_RETRY_MAX_MS = 2;

/** So many waiting sockets share the longest time; with more of them it grows, so that idle connections cost little. */
export const SOCKETS_PER_RETRY = 16;

/** Replaced leaves that wait until no reader can be in them; one step of the table generation frees them all. */
export const TABLE_QUARANTINE_LEAVES = 256;

/**
 * Connections of a whole server. Each costs two descriptors (node's and the ring's), of which a process may have as few as 4096 (a
 * usual hard limit), and COW devices, rings and logs need some, too.
 */
export const MAX_CONNECTIONS = 1024;

/** Descriptors of one connection, in the process that serves it: node's and the ring's. */
export const DESCRIPTORS_PER_CONNECTION = 2;

/**
 * Descriptors that clients leave to the orders, the logs and the program around: a creation takes two for its COW device, one in each
 * thread, and three for the register. Where there are few it is a quarter of them.
 */
export const DESCRIPTORS_FOR_ORDERS = 48;

/**
 * Clients that wait in the kernel until main accepts them (Linux takes at most net.core.somaxconn, 4096 by default): all that may come,
 * while main is busy, and others that are told. Beyond it a connect to a Unix socket fails with EAGAIN.
 */
export const LISTEN_BACKLOG = 4096;

/** Milliseconds that a client has for its handshake; it needs a few. What it does in transmission has no limit: it may be idle for days. */
export const HANDSHAKE_MS = 10_000;

/** One send carries at most so much: its end tells that the client reads. */
export const MAX_SEND_BYTES: number = 2 * 1024 * 1024;

/** A rest of a reply that is no longer goes with it: two replies of 1 MiB and their headers would leave in two sends, the second of 32 bytes. */
export const MAX_SEND_REST_BYTES: number = 64 * 1024;

/**
 * Milliseconds in which a client that holds memory must move MAX_SEND_BYTES of data, or the rest of its payload or replies, while others
 * wait for it. As long as nobody waits there is no limit. A client that waits is served within three of them, whoever does not read.
 */
export const TRANSFER_MS = 10_000;

/** A line of the log that clients can cause as often as they like is written once in so many milliseconds, with a number. */
export const RARE_LINE_MS = 10_000;

/** TCP clients that say nothing are asked after so many seconds whether they live, then in intervals; a dead peer is found after 6 minutes. */
export const KEEP_ALIVE_IDLE_S = 60;
export const KEEP_ALIVE_INTERVAL_S = 30;
export const KEEP_ALIVE_PROBES = 10;

/** Connections that one export worker serves at a time; each has an inbox in its arena. */
export const MAX_CONNECTIONS_PER_WORKER = 256;

/** Payload bytes that one connection may hold in slots, unless it is one request: a client that does not read must not take them all. */
export const MAX_HELD_BYTES_PER_CONNECTION: number = 12 * 1024 * 1024;

/** Milliseconds that requests have at the end to get through, and clients to read their last replies; the rest is cut. */
export const CLOSE_GRACE_MS = 5000;

/**
 * The same after a death: whoever has not read its EIO by then is cut, and after as long again main ends the streams itself, for a worker
 * whose device hangs cannot.
 */
export const ABANDON_GRACE_MS = 1000;

/**
 * Milliseconds after which, again and again, a step of a close that has not ended is told in the log; after which the close is given up
 * where nothing whatever has ended meanwhile; and the same for a flush of the volume's own, which is one call and may be long.
 */
export const CLOSE_SLOW_MS = 10_000;
export const CLOSE_STEP_MS = 60_000;
export const CLOSE_FLUSH_MS = 600_000;

/** Requests of one export worker that are under way; a connection past it is not read until one ends. */
export const MAX_REQUESTS_PER_WORKER = 1024;

/** Of these, one connection has at most so many: a client that sends and does not read must not take them all. */
export const MAX_REQUESTS_PER_CONNECTION = 256;

/** Device operations of one export worker that are under way or wait. */
export const MAX_PIECES_PER_WORKER = 2048;

/** Device operations that one read or write has under way at a time. */
export const MAX_PIECES_PER_REQUEST = 64;

/**
 * Bytes of zeroes and trims that one connection, and one worker, have under way: they cost the client nothing to ask for, and who
 * reads meanwhile waits behind them. A small piece counts for its length, and there are so many of them at most.
 */
export const MAX_LONG_BYTES_PER_CONNECTION: number = 4 * 1024 * 1024;
export const MAX_LONG_BYTES_PER_WORKER: number = 16 * 1024 * 1024;
export const MAX_LONG_PIECES_PER_CONNECTION = 64;
export const MAX_LONG_PIECES_PER_WORKER = 256;

/** Pieces of zeroes and trims that end as soon as they are looked at, in one turn of a worker. */
export const LONG_PIECES_AT_ONCE = 256;

/** A client that has stopped to send, and has asked for much, is asked after so many milliseconds whether it still reads. */
export const STILL_READS_MS = 50;

/** One device operation of an export worker covers at most this much of the volume, so that no lookup takes long. */
export const MAX_PIECE_BYTES: number = 1024 * 1024;

/** What a connection receives at once: about 16 small writes. */
export const INBOX_BYTES: number = 64 * 1024;

/** A payload's rest of at least this length is received straight into its slot; less is copied from the inbox. */
export const DIRECT_RECEIVE_BYTES: number = 16 * 1024;

/** A reply without data: the widest header, an error, and a text for people. Each request has a place for one. */
export const REPLY_BYTES_MAX = 128;

/** Replies that one SENDMSG carries at most. */
export const MAX_REPLIES_PER_SEND = 256;

assert(MAX_WHOLE_BYTES <= MAX_PAYLOAD_BYTES && MAX_PIECE_BYTES <= MAX_WHOLE_BYTES);
assert(MAX_OPTION_BYTES >= MAX_EXPORT_NAME_BYTES + 6 + 2 * 64);
assert(MAX_OPTION_BYTES <= MAX_SKIPPED_OPTION_BYTES);
assert(MAX_OPTIONS >= 1 + 3 * (MAX_SNAPSHOTS + 1));
assert(MAX_OPTION_REPLY_BYTES >= (MAX_SNAPSHOTS + 2) * (MAX_EXPORT_NAME_BYTES + 256));
assert(AREA_READ_AHEAD >= 12);
assert(GROWTH_RETRY_MIN_MS <= GROWTH_RETRY_MAX_MS);
assert((TRACK_BUCKETS & (TRACK_BUCKETS - 1)) === 0);
assert(TRACK_BUCKETS_PER_PIECE <= 32 && TRACK_BUCKETS_PER_PIECE <= TRACK_BUCKETS);
assert(TABLE_CHUNKS_MAX / 256 + 2 ** 20 < TABLE_BYTES_MAX / 4);
assert(MAX_COPY_TARGETS < 32);
assert(MERGE_STRETCHES_MAX >= MERGE_RUNS_PER_STEP && MERGE_CHUNKS_PER_STEP >= MERGE_RUNS_PER_STEP);
assert(MERGE_SLICE_BYTES % 4096 === 0 && MERGE_SLICE_BYTES <= MAX_COPY_BYTES);
assert(MERGE_SLICES_PER_STEP * MERGE_SLICE_COPIES <= MERGE_RUNS_PER_STEP);
assert(MAX_CONNECTIONS >= MAX_CONNECTIONS_PER_WORKER);
assert(LISTEN_BACKLOG >= MAX_CONNECTIONS);
assert(MAX_SEND_BYTES / TRANSFER_MS <= (256 * 1024) / 1000);
assert(2 * ABANDON_GRACE_MS < CLOSE_GRACE_MS);
assert(CLOSE_GRACE_MS < CLOSE_SLOW_MS && CLOSE_SLOW_MS < CLOSE_STEP_MS && CLOSE_STEP_MS < CLOSE_FLUSH_MS);
assert(MAX_PIECES_PER_WORKER >= MAX_REQUESTS_PER_WORKER);
assert(MAX_REQUESTS_PER_CONNECTION < MAX_REQUESTS_PER_WORKER && MAX_REQUESTS_PER_CONNECTION <= MAX_REPLIES_PER_SEND);
assert(MAX_LONG_BYTES_PER_CONNECTION < MAX_LONG_BYTES_PER_WORKER);
assert(MAX_LONG_PIECES_PER_CONNECTION < MAX_LONG_PIECES_PER_WORKER);
assert(MAX_LONG_PIECES_PER_WORKER < MAX_PIECES_PER_WORKER / 2);

/** What a timer of node's takes. */
export const STALL_SECONDS_MAX = 2_147_483;
