/**
 * The store of a snapshot as main knows it: which chunks of the COW device are free, the area that exceptions are added to, and what
 * workers hold in reserve.
 *
 * Only the core touches it. Nothing here does I/O: what has to be written goes through the snapshot's channel.
 */
import type { Chunk } from "../base/units.ts";
import type { CowGeometry } from "../format/cow-geometry.ts";
import { Allocator } from "./allocator.ts";
import { AreaImage } from "./area-image.ts";
import type { LoadedStore } from "./loaded-store.ts";

/** An epoch shares a message word with a snapshot's index. */
const RESERVE_EPOCH_MASK = 0x3fff;

export class SnapshotStore {
  readonly allocator: Allocator;
  /** Undefined for a transient store. */
  readonly area: AreaImage | undefined;
  /** Reserved chunks of an older epoch are void: a merge hands chunks out anew (S-64), and so does `reclaim.ts`. */
  reserveEpoch = 0;
  /** Chunks in reserve are being taken back. Not a phase: it runs beside any of them, and beside a merge's start. */
  isReclaiming = false;
  /**
   * It is Invalid, and a valid header is on the disk all the same, because it could not be written (S-70). A fact about the disk: the
   * snapshot is as Invalid as any, but its drop tries again.
   */
  headerStands = false;
  /** Once a merge has taken something away: S-64's next free chunk, for the status only. -1: the allocator's. */
  mergeNextFree: Chunk | -1 = -1;

  constructor(geometry: CowGeometry, metadataBlockBytes: number, loaded: LoadedStore) {
    this.area = loaded.persistent ? new AreaImage(geometry, metadataBlockBytes, loaded) : undefined;
    const slots = this.area?.exceptions ?? 0;
    this.allocator = new Allocator(geometry, loaded.persistent, loaded.cowSectors, loaded.nextFree, slots);
  }

  /** What workers hold in reserve may be handed out again. Returns the epoch, which they have to be told. */
  voidReserves(): number {
    this.reserveEpoch = (this.reserveEpoch + 1) & RESERVE_EPOCH_MASK;
    return this.reserveEpoch;
  }

  /** Everything has been merged that will be: what is left decides which chunks are free (S-64). */
  restart(): void {
    const area = this.area!;
    this.allocator.restart(area.nextFree(), area.exceptions);
    this.mergeNextFree = -1;
  }
}
