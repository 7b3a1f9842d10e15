/**
 * What has to be put right in the current area before the first exception is added to it (S-7, S-42).
 *
 * Stale bytes behind the end marker are overwritten, durably, in slices; a next area that did not lie on the device when the
 * store was opened is zeroed and flushed once the device has grown, between two jobs of a merge as well. A failure makes the store
 * invalid, as that of a commit; while it merges it is left for later, for nothing is added to the area then.
 */
import type { AreaImage, MetadataWrite } from "./area-image.ts";
import type { CoreContext } from "./context.ts";
import type { Invalidations } from "./invalidation.ts";
import type { MetadataOwner, Snapshot } from "./snapshot.ts";
import { Phase } from "./snapshot-phase.ts";

/** One write of zeroes over stale bytes is not longer than this. */
const SLICE_BYTES: number = 1024 * 1024;

/** Start what the area needs; false if nothing can be done now. The channel is free. */
export function repairArea(context: CoreContext, invalidations: Invalidations, snapshot: Snapshot): boolean {
  const area = snapshot.store.area!;
  if (area.missing) {
    if (!snapshot.geometry.areaFits(area.area, snapshot.store.allocator.cowSectors)) return false;
    new AreaRepair(context, invalidations, area, area.firstBlock(), true).start(snapshot);
  } else {
    new AreaRepair(context, invalidations, area, area.staleWrite(SLICE_BYTES), false).start(snapshot);
  }
  return true;
}

class AreaRepair implements MetadataOwner {
  readonly #context: CoreContext;
  readonly #invalidations: Invalidations;
  readonly #area: AreaImage;
  readonly #write: MetadataWrite;
  readonly #zeroes: boolean;

  constructor(
    context: CoreContext,
    invalidations: Invalidations,
    area: AreaImage,
    write: MetadataWrite,
    zeroes: boolean,
  ) {
    this.#context = context;
    this.#invalidations = invalidations;
    this.#area = area;
    this.#write = write;
    this.#zeroes = zeroes;
  }

  start(snapshot: Snapshot): void {
    snapshot.channel.start(this, {
      kind: "commit",
      snapshot: snapshot.index,
      zeroArea: this.#zeroes ? this.#area.area : -1,
      zeroPosition: this.#zeroes ? snapshot.geometry.areaPosition(this.#area.area) : 0,
      zeroBytes: this.#zeroes ? snapshot.geometry.chunkBytes : 0,
      position: this.#write.position,
      bytes: this.#write.bytes,
    });
  }

  metadataDone(snapshot: Snapshot, error: number): void {
    if (error !== 0 && snapshot.phase === Phase.Merging) return;
    this.#context.markDirty(snapshot);
    if (error !== 0) {
      this.#invalidations.fail(snapshot, error);
    } else if (this.#zeroes) this.#area.found();
    else this.#area.staleWritten(this.#write);
  }
}
