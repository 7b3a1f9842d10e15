/**
 * What an origin write looks at inside the origin's write gate: has every snapshot kept the old data of the piece's chunks (C-10.3)?
 *
 *   listed snapshots   Active, Overflow   all of its chunks settled?      settledEverywhere: yes from all of them
 *                      other states       need nothing any more           soleUnsettled: no from one, for one chunk without an exception
 *
 * A trim that is to cost nothing (E-19) is cut into stretches, and each costs looks for its own chunks only, however often it alternates:
 *
 *   snapshot 0   ▓▓▓▓░░░░▓▓▓▓▓▓▓▓      ▓: settled     neededStretch: bytes from here on that some snapshot still needs
 *   snapshot 1   ▓▓▓▓▓▓▓▓░░▓▓▓▓▓▓                     settledStretch: bytes from here on that none needs
 *                └──┘└────┘└────┘
 */
import { EntryState, SnapshotState } from "../../src/base/states.ts";
import { PAGE_BYTES } from "../../src/ring/slots.ts";
import type { ServedSnapshot, VolumeRange } from "./served-snapshot.ts";
import type { ServedVolume } from "./served-volume.ts";

/** True: every snapshot that an origin write must mind has the piece's chunks settled (C-10.3). */
export function settledEverywhere(volume: ServedVolume, offset: number, length: number): boolean {
  const { words } = volume;
  const count = words.listCount();
  for (let i = 0; i < count; i++) {
    const snapshot = volume.snapshot(words.listed(i));
    if (!isMinded(snapshot)) continue;
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

/** Bytes from `offset` on, of `length`, that a snapshot still needs as they are on the origin; 0: it is settled here. */
export function neededStretch(volume: ServedVolume, offset: number, length: number): number {
  const { words } = volume;
  const end = offset + length;
  const count = words.listCount();
  let at = offset;
  // Until all of them, one after the other, have found nothing at the same place.
  for (let i = 0, quiet = 0; quiet < count && at < end; i = (i + 1) % count, quiet++) {
    const snapshot = volume.snapshot(words.listed(i));
    if (!isMinded(snapshot)) continue;
    const needed = neededBytes(snapshot, at, end);
    if (needed > 0) quiet = -1;
    at += needed;
  }
  return Math.min(at, end) - offset;
}

/** Bytes from `offset` on, of `length`, that every snapshot has settled. */
export function settledStretch(volume: ServedVolume, offset: number, length: number): number {
  let done = 0;
  // Ever farther, as long as it goes: a stretch that ends soon in one snapshot is not looked for to the end in others.
  for (let reach = PAGE_BYTES; done < length; reach *= 2) {
    const window = Math.min(reach, length - done);
    const settled = settledBytes(volume, offset + done, window);
    done += settled;
    if (settled < window) break;
  }
  return done;
}

/** Nothing that is Invalid, or has no view of its own any more, needs old data (C-10.3). */
function isMinded(snapshot: ServedSnapshot): boolean {
  const state = snapshot.words.state();
  return state === SnapshotState.Active || state === SnapshotState.Overflow;
}

/** Up to the end of a chunk, where that is not settled, and beyond `end` at most by the rest of it. */
function neededBytes(snapshot: ServedSnapshot, at: number, end: number): number {
  const { chunkBytes, table } = snapshot;
  const first = snapshot.chunkAt(at);
  if (table.allSettled(first, 1)) return 0;
  const isNone = table.lookup(first, snapshot.chunkAt(end - 1) - first + 1) === EntryState.None;
  // Of a run of exceptions it is known only that they are there.
  const chunks = isNone ? table.runLength : 1;
  return (first + chunks) * chunkBytes - at;
}

function settledBytes(volume: ServedVolume, offset: number, length: number): number {
  const { words } = volume;
  const count = words.listCount();
  let settled = length;
  for (let i = 0; i < count && settled > 0; i++) {
    const snapshot = volume.snapshot(words.listed(i));
    if (!isMinded(snapshot)) continue;
    const first = snapshot.chunkAt(offset);
    const chunks = snapshot.chunkAt(offset + settled - 1) - first + 1;
    const end = (first + snapshot.table.settledRun(first, chunks)) * snapshot.chunkBytes;
    settled = Math.min(settled, Math.max(0, end - offset));
  }
  return settled;
}
