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
  /** Needs past the threshold of E-25, in the order of arrival. */
  readonly parked: Need[] = [];
}
