/**
 * Who waits for a snapshot, and for what: a list for each thing that can come to an end.
 *
 * Those that wait for one exception wait in its record (pending-exception.ts); those that wait for a merging range, in the merge's step.
 */
import { type Need, NeedList } from "./need.ts";

export class Waiters {
  /** Flushes and FUA writes: need, and the sequence they wait for. */
  readonly flushes: { readonly need: Need; readonly sequence: number }[] = [];
  /** Snapshot writes: they fail when it is Invalid. */
  readonly writersUntilInvalid: NeedList = new NeedList();
  /** Origin writes: they look again when it is Invalid. */
  readonly keepersUntilInvalid: NeedList = new NeedList();
  /** Until a merge has started, or will not. */
  readonly untilPresented: NeedList = new NeedList();
  /** Needs that found no room while workers have chunks in reserve. */
  readonly untilReclaimed: NeedList = new NeedList();
  /** Snapshot writes for which there is no room; they may be told that there is none (room.ts). */
  readonly writersUntilRoom: NeedList = new NeedList();
  /** Origin writes and merges, likewise: they look again when there is some, or when it is Invalid. */
  readonly keepersUntilRoom: NeedList = new NeedList();
  /** Needs past the threshold of E-25, in the order of arrival. */
  readonly parked: Need[] = [];

  get isForRoom(): boolean {
    return !this.writersUntilRoom.isEmpty || !this.keepersUntilRoom.isEmpty;
  }

  /** Requests that wait for room. */
  get forRoom(): number {
    return this.writersUntilRoom.length + this.keepersUntilRoom.length;
  }
}
