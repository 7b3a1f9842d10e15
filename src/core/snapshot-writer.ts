/**
 * Writes on a snapshot to chunks that have no visible exception (E-5…E-9, C-12).
 *
 *   needChunk ──▶ whole chunk: grant ──▶ worker writes at the new chunk ──▶ written ──▶ visible ──▶ release: done
 *             ──▶ a part: copy the chunk ──▶ visible ──▶ release: look again, and write the COW device
 *             ──▶ pending already: wait for that
 *
 * No space: room.ts. A file system that is full under the COW file is the same, but is known only once the data has been
 * written (overflow.ts).
 */
import { ChunkNeed } from "../base/chunk-need.ts";
import { errno } from "../base/errno.ts";
import { EntryState } from "../base/states.ts";
import type { Chunk } from "../base/units.ts";
import { claimReserved, isClaimable } from "./claims.ts";
import type { CoreContext } from "./context.ts";
import type { CopyPlanner } from "./copy-planner.ts";
import type { Need } from "./need.ts";
import type { NoRoom } from "./room.ts";
import type { PendingException, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

export class SnapshotWriter {
  readonly #context: CoreContext;
  readonly #planner: CopyPlanner;
  readonly #noRoom: NoRoom;

  constructor(context: CoreContext, planner: CopyPlanner, noRoom: NoRoom) {
    this.#context = context;
    this.#planner = planner;
    this.#noRoom = noRoom;
  }

  /** The need waits for what it asked for, or is given its end. True: the limit of copies in flight stopped it (E-25). */
  ask(snapshot: Snapshot, need: Need): boolean {
    const { needs } = this.#context;
    const { waiters, phase } = snapshot;
    if (snapshot.isEnding) needs.wait(waiters.writersUntilInvalid, need);
    else if (phase === Phase.Starting) needs.wait(waiters.untilPresented, need);
    else if (phase === Phase.Open && !snapshot.isFull) return this.#askOpen(snapshot, need);
    else if (phase !== Phase.Merging) need.error = errno.EIO;
    return false;
  }

  /** See `Core.claim`; the pending exception, whose data is there, or undefined: the need has its end. */
  claim(snapshot: Snapshot, need: Need, chunk: Chunk, newChunk: Chunk, epoch: number): PendingException | undefined {
    if (!isClaimable(snapshot, chunk, epoch)) {
      need.error = errno.EAGAIN;
      return undefined;
    }
    const pending = claimReserved(snapshot, chunk, newChunk);
    if (pending === undefined) this.#noRoom.forClaim(snapshot, need);
    else this.#grantTo(need, pending);
    return pending;
  }

  #askOpen(snapshot: Snapshot, need: Need): boolean {
    const { options, needs } = this.#context;
    const { chunk } = need;
    // It has come into being while the message was on its way.
    if (snapshot.config.ports.table.stateOf(chunk) !== EntryState.None) return false;
    const joined = snapshot.progress.pending.get(chunk);
    if (joined !== undefined) {
      needs.wait(joined.writers, need);
      return false;
    }
    const isGranted = need.how === ChunkNeed.Whole || (options.fills && need.how === ChunkNeed.Fill);
    if (!isGranted && snapshot.progress.copies >= options.cowThreshold) return true;
    const newChunk = snapshot.allocate();
    if (newChunk < 0) this.#noRoom.forWriter(snapshot, need);
    else if (isGranted) this.#grant(snapshot, need, newChunk);
    else this.#copy(snapshot, need, newChunk);
    return false;
  }

  /** The worker writes the chunk itself (E-6). */
  #grant(snapshot: Snapshot, need: Need, newChunk: Chunk): void {
    const { chunk, token } = need;
    const pending = snapshot.begin(chunk, newChunk);
    this.#grantTo(need, pending);
    pending.partsLeft = 1;
    snapshot.progress.outstanding += 1;
    this.#context.effects.grant(token, snapshot.index, chunk, newChunk, need.how === ChunkNeed.Whole);
  }

  /** A copy worker moves the old chunk, and the write waits until it has (E-5). */
  #copy(snapshot: Snapshot, need: Need, newChunk: Chunk): void {
    const pending = snapshot.begin(need.chunk, newChunk);
    this.#context.needs.wait(pending.writers, need);
    this.#planner.add(pending);
    this.#planner.flush();
  }

  /** The need ends when the exception that it fills is acknowledged. */
  #grantTo(need: Need, pending: PendingException): void {
    pending.grant = need;
    need.remaining += 1;
    pending.snapshot.counters.grants += 1;
  }
}
