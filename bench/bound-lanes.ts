/**
 * The bound of the disk for many first touches of the origin at a time: what a durable one costs in company, with one ring and no server.
 *
 *   lane   read old chunk ─▶ write it to every store ─▶ all committed ─▶ write the origin ─▶ next
 *   store                     chunks side by side        └ fdatasync ─▶ area, O_DSYNC: for all lanes that wait, one at a time
 *
 * That is the order of E-13 and S-53, and the groups of S-54. A lane that is over begins anew at once, as a client with a fixed number of
 * requests under way does.
 */
import { closeSync, constants, openSync } from "node:fs";
import { createNativeRing } from "../src/device/native-ring.ts";
import { FileKind, type IoRing } from "../src/device/port.ts";
import { newSharedPages } from "../src/device/shared-pages.ts";
import { COMPLETION_WORDS, IoArg, IoOp } from "../src/ring/io-descriptor.ts";
import { Submissions } from "../src/ring/submissions.ts";
import { KIB } from "./workload.ts";

const CHUNK = 16 * KIB;
const BLOCK = 4 * KIB;
const CAPACITY = 1024;
/** A user word: kind, and the lane or the store. */
const Kind = { Read: 0, Store: 1, Flush: 2, Area: 3, Origin: 4 } as const;
const KIND_SHIFT = 16;
const INDEX_MASK = 0xffff;
/** Header and area of a store come first. */
const DATA_AT: number = 2 * CHUNK;

export interface LanesJob {
  readonly origin: string;
  readonly originBytes: number;
  readonly stores: readonly string[];
  readonly lanes: number;
  /** First touches in all; a store holds as many chunks. */
  readonly count: number;
}

interface Lane {
  readonly index: number;
  readonly address: number;
  at: number;
  /** Stores that it waits for. */
  left: number;
}

interface Store {
  readonly file: number;
  nextAt: number;
  busy: boolean;
  waiting: Lane[];
  committing: Lane[];
}

/** First touches a second. */
export function firstTouchesPerSecond(job: LanesJob): number {
  const fds = [job.origin, ...job.stores].map((path) => openSync(path, constants.O_RDWR | constants.O_DIRECT));
  const bound = new BoundLanes(job, fds);
  try {
    return bound.run();
  } finally {
    bound.close();
    fds.forEach(closeSync);
  }
}

class BoundLanes {
  readonly #job: LanesJob;
  readonly #ring: IoRing;
  readonly #submissions: Submissions;
  readonly #lanes: readonly Lane[];
  readonly #stores: readonly Store[];
  #begun = 0;
  #ended = 0;

  constructor(job: LanesJob, fds: readonly number[]) {
    this.#job = job;
    const arena = newSharedPages(job.lanes * CHUNK);
    this.#ring = createNativeRing({ arena, capacity: CAPACITY, files: fds.length, registeredBytes: job.lanes * CHUNK });
    fds.forEach((fd, i) => {
      this.#ring.setFile(i, fd, FileKind.Async);
    });
    this.#submissions = new Submissions(this.#ring.submissions);
    this.#lanes = Array.from({ length: job.lanes }, (_, i) => ({ index: i, address: i * CHUNK, at: 0, left: 0 }));
    this.#stores = job.stores.map((_, i) => {
      return { file: 1 + i, nextAt: DATA_AT, busy: false, waiting: [], committing: [] };
    });
  }

  run(): number {
    const began = performance.now();
    for (const lane of this.#lanes) this.#begin(lane);
    while (this.#ended < this.#job.count) this.#turn();
    return (this.#ended / (performance.now() - began)) * 1000;
  }

  close(): void {
    this.#ring.close();
  }

  #turn(): void {
    const completed = this.#ring.turn(this.#submissions.take(), true);
    const words = this.#ring.completions;
    for (let i = 0; i < completed; i++) {
      const result = words[i * COMPLETION_WORDS + 1];
      if (result < 0) throw new Error(`the disk refuses an operation (${result})`);
      this.#completed(words[i * COMPLETION_WORDS]);
    }
  }

  #completed(user: number): void {
    const index = user & INDEX_MASK;
    switch (user >> KIND_SHIFT) {
      case Kind.Read:
        return this.#copy(this.#lanes[index]);
      case Kind.Store:
        return this.#stored(this.#lanes[index]);
      case Kind.Area:
        return this.#committed(this.#stores[index]);
      case Kind.Origin:
        this.#ended += 1;
        return this.#begin(this.#lanes[index]);
    }
  }

  #begin(lane: Lane): void {
    if (this.#begun === this.#job.count) return;
    // Far apart, each once: an odd stride meets every chunk.
    const chunks = this.#job.originBytes / CHUNK;
    lane.at = ((this.#begun++ * 12_373) % chunks) * CHUNK;
    this.#submissions.push(IoOp.Read, 0, userOf(Kind.Read, lane.index), lane.address, CHUNK, lane.at, 0);
  }

  #copy(lane: Lane): void {
    lane.left = this.#stores.length;
    for (const store of this.#stores) {
      const user = userOf(Kind.Store, lane.index);
      this.#submissions.push(IoOp.Write, store.file, user, lane.address, CHUNK, store.nextAt, 0);
      store.nextAt += CHUNK;
    }
  }

  #stored(lane: Lane): void {
    lane.left -= 1;
    if (lane.left > 0) return;
    lane.left = this.#stores.length;
    for (const store of this.#stores) {
      store.waiting.push(lane);
      this.#commit(store);
    }
  }

  #commit(store: Store): void {
    if (store.busy || store.waiting.length === 0) return;
    store.busy = true;
    [store.committing, store.waiting] = [store.waiting, []];
    const index = store.file - 1;
    this.#submissions.push(IoOp.Sync, store.file, userOf(Kind.Flush, index), 0, 0, 0, 0);
    this.#submissions.link();
    this.#submissions.push(IoOp.Write, store.file, userOf(Kind.Area, index), 0, BLOCK, CHUNK, IoArg.Dsync);
  }

  #committed(store: Store): void {
    store.busy = false;
    for (const lane of store.committing) {
      lane.left -= 1;
      if (lane.left > 0) continue;
      this.#submissions.push(IoOp.Write, 0, userOf(Kind.Origin, lane.index), lane.address, BLOCK, lane.at, 0);
    }
    this.#commit(store);
  }
}

function userOf(kind: number, index: number): number {
  return (kind << KIND_SHIFT) | index;
}
