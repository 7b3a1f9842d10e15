/**
 * What an origin write looks at inside the origin's write gate: has every snapshot kept the old data of the piece's chunks (C-10.3)?
 *
 *   listed snapshots   Active, Overflow   all of its chunks settled?      settledEverywhere: yes from all of them
 *                      other states       need nothing any more           soleUnsettled: no from one, for one chunk without an exception
 */
import { EntryState, SnapshotState } from "../../src/base/states.ts";
import type { ServedSnapshot, VolumeRange } from "./served-snapshot.ts";
import type { ServedVolume } from "./served-volume.ts";

/** True: every snapshot that an origin write must mind has the piece's chunks settled (C-10.3). */
export function settledEverywhere(volume: ServedVolume, offset: number, length: number): boolean {
  const { words } = volume;
  const count = words.listCount();
  for (let i = 0; i < count; i++) {
    const snapshot = volume.snapshot(words.listed(i));
    const state = snapshot.words.state();
    if (state !== SnapshotState.Active && state !== SnapshotState.Overflow) continue;
    const first = snapshot.chunkAt(offset);
    const chunks = snapshot.chunkAt(offset + length - 1) - first + 1;
    if (!snapshot.table.allSettled(first, chunks)) return false;
  }
  return true;
}

/** The only snapshot that misses the piece's old data, if that is one chunk without an exception; else null. */
export function soleUnsettled(volume: ServedVolume, range: VolumeRange): ServedSnapshot | null {
  const { words } = volume;
  let sole: ServedSnapshot | null = null;
  for (let i = words.listCount() - 1; i >= 0; i--) {
    const snapshot = volume.snapshot(words.listed(i));
    const state = snapshot.words.state();
    if (state === SnapshotState.Overflow) return null;
    if (state !== SnapshotState.Active) continue;
    const first = snapshot.chunkAt(range.offset);
    const chunks = snapshot.chunksOf(range);
    if (snapshot.table.allSettled(first, chunks)) continue;
    if (sole !== null || chunks > 1 || snapshot.table.lookup(first, 1) !== EntryState.None) return null;
    sole = snapshot;
  }
  return sole;
}
