/**
 * What becomes of a need for which its snapshot has no room.
 *
 *   workers have chunks in reserve ──▶ take them back (reclaim.ts) ──▶ look again
 *   the store grows by itself      ──▶ ask the shell, wait ──▶ grown: look again
 *   or its user wants it to stall  ──▶ wait               ──▶ somebody adds room, or its file system has some: look again
 *                                                          └▶ refused, or the stall's time is over
 *   a snapshot write, store PO     ──▶ overflow, it gets ENOSPC
 *   anything else                  ──▶ the snapshot turns Invalid (E-8, E-15): a snapshot write gets ENOSPC then, an origin write looks again
 *
 * One place for both kinds of writes, so that neither can forget a step of it, and for what the shell says of room afterwards. Who waits here
 * holds no gate: reads, and writes that need no room, go on. It waits while the snapshot is open; a merge that starts sends it away to look again, and the end
 * of the snapshot releases it as it does everybody.
 */
import { assert } from "../base/assert.ts";
import { errno } from "../base/errno.ts";
import type { CoreContext } from "./context.ts";
import type { Invalidations } from "./invalidation.ts";
import type { Need, NeedList } from "./need.ts";
import { overflow } from "./overflow.ts";
import type { Reclaims } from "./reclaim.ts";
import type { RoomNews, RoomPolicy } from "./room-policy.ts";
import type { Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

/** There is room, or it is not the place to wait for it any more: whoever does looks again. */
export function lookAgain({ needs }: CoreContext, { room, waiters }: Snapshot): void {
  room.endStall();
  needs.end(waiters.writersUntilRoom, 0);
  needs.end(waiters.keepersUntilRoom, 0);
}

export class NoRoom {
  readonly #context: CoreContext;
  readonly #invalidations: Invalidations;
  readonly #reclaims: Reclaims;

  constructor(context: CoreContext, invalidations: Invalidations, reclaims: Reclaims) {
    this.#context = context;
    this.#invalidations = invalidations;
    this.#reclaims = reclaims;
  }

  /** An origin write, or a merge. */
  forKeeper(snapshot: Snapshot, need: Need): void {
    if (this.#reclaims.wait(snapshot, need)) return;
    if (this.#wait(snapshot, snapshot.waiters.keepersUntilRoom, need)) return;
    this.#runOut(snapshot, need);
  }

  /** A write on the snapshot. */
  forWriter(snapshot: Snapshot, need: Need): void {
    if (this.#reclaims.wait(snapshot, need)) return;
    if (this.#wait(snapshot, snapshot.waiters.writersUntilRoom, need)) return;
    this.#refuseWriter(snapshot, need);
  }

  /** One that has a chunk in reserve, but no slot for it (S-42): to take others back would not help. It waits without that chunk. */
  forClaim(snapshot: Snapshot, need: Need): void {
    if (snapshot.room.mayCome) need.error = errno.EAGAIN;
    else this.#refuseWriter(snapshot, need);
  }

  /** The device has another size: whoever waits looks again, where there is room. */
  grown(snapshot: Snapshot): void {
    const { room, store } = snapshot;
    room.forgetAsked();
    if (store.allocator.hasSpace()) lookAgain(this.#context, snapshot);
    if (snapshot.phase !== Phase.Open) return;
    if (snapshot.waiters.isForRoom) this.#askOrStall(snapshot);
    room.look();
  }

  /** See `Core.room`. */
  news(snapshot: Snapshot, news: RoomNews): void {
    if (news.kind === "policy") this.#changePolicy(snapshot, news.policy);
    else if (news.kind === "refused") this.#refused(snapshot);
    else if (news.kind === "tryAgain") this.#tryAgain(snapshot);
    else if (snapshot.room.isStalled) this.#giveUp(snapshot);
  }

  /** The volume closes: who waits for somebody to add room has waited long enough. What has not been written is not, and its snapshot stays. */
  endStalls(): void {
    this.#context.stallsEnd = true;
    for (const snapshot of this.#context.snapshots) if (snapshot?.room.isStalled === true) this.#fail(snapshot);
  }

  /** False: nobody adds any, or that would not help. */
  #wait(snapshot: Snapshot, list: NeedList, need: Need): boolean {
    if (!snapshot.room.mayCome) return false;
    this.#context.needs.wait(list, need);
    if (!snapshot.room.isStalled) this.#askOrStall(snapshot);
    return true;
  }

  /** Somebody waits: for growth, where it grows by itself, else for whoever adds room. */
  #askOrStall(snapshot: Snapshot): void {
    const { room } = snapshot;
    assert(snapshot.phase === Phase.Open, "who needs room does so while a snapshot is open");
    if (!room.askNow()) this.#stall(snapshot);
  }

  #stall(snapshot: Snapshot): void {
    const { room } = snapshot;
    if (!room.policy.stalls) return this.#giveUp(snapshot);
    room.stall();
    if (this.#context.stallsEnd) this.#fail(snapshot);
  }

  #refused(snapshot: Snapshot): void {
    if (!snapshot.room.isAwaited) return;
    snapshot.room.refused();
    if (snapshot.waiters.isForRoom && !snapshot.isEnding) this.#stall(snapshot);
  }

  #changePolicy(snapshot: Snapshot, policy: RoomPolicy): void {
    const { room } = snapshot;
    room.policy = policy;
    room.forgetAsked();
    if (snapshot.phase !== Phase.Open) return;
    // Its writes are not refused any more: they wait.
    if (snapshot.isFull && policy.stalls) {
      snapshot.setFull(false);
      this.#context.effects.notice(snapshot.index, "overflow-cleared", 0);
    }
    if (snapshot.waiters.isForRoom) this.#askOrStall(snapshot);
    else if (!policy.stalls) room.endStall();
    room.look();
  }

  /** One of those who wait looks whether there is room by now, an origin write first. Where nobody waits any more, whoever comes finds out. */
  #tryAgain(snapshot: Snapshot): void {
    const { room, waiters } = snapshot;
    if (!room.isStalled || snapshot.phase !== Phase.Open) return;
    if (!waiters.isForRoom) return room.endStall();
    if (!room.offerTrial()) return;
    this.#context.needs.endFirst(
      waiters.keepersUntilRoom.isEmpty ? waiters.writersUntilRoom : waiters.keepersUntilRoom,
      0,
    );
  }

  /** There will be no room. Who keeps the origin's old data cannot go on without it, whatever the store's kind (E-15). */
  #giveUp(snapshot: Snapshot): void {
    const { room, waiters } = snapshot;
    room.refused();
    if (!waiters.isForRoom && !snapshot.isEnding) return room.endStall();
    room.forgetStall();
    if (snapshot.isEnding) return;
    if (!room.policy.overflows || !waiters.keepersUntilRoom.isEmpty) return this.#invalidations.runOut(snapshot);
    overflow(this.#context, snapshot);
    this.#context.needs.end(waiters.writersUntilRoom, errno.ENOSPC);
  }

  #fail(snapshot: Snapshot): void {
    const { needs } = this.#context;
    snapshot.room.endStall();
    needs.end(snapshot.waiters.writersUntilRoom, errno.ENOSPC);
    needs.end(snapshot.waiters.keepersUntilRoom, errno.ENOSPC);
  }

  #refuseWriter(snapshot: Snapshot, need: Need): void {
    need.error = errno.ENOSPC;
    if (snapshot.room.policy.overflows) overflow(this.#context, snapshot);
    else this.#runOut(snapshot, need);
  }

  #runOut(snapshot: Snapshot, need: Need): void {
    this.#invalidations.runOut(snapshot);
    assert(snapshot.isEnding, "a snapshot that has run out is on its way to Invalid");
    this.#context.needs.wait(snapshot.waiters.keepersUntilInvalid, need);
  }
}
