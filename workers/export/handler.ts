/**
 * What an export does with a piece: the origin, a snapshot, or the merging volume.
 */
import type { ExportShare } from "./export-share.ts";
import type { Piece, PieceKind } from "./piece.ts";
import type { ServedVolume } from "./served-volume.ts";

export interface ExportHandler {
  readonly volume: ServedVolume;
  /** Of this export in this worker (ring/counters.ts). */
  readonly counters: Float64Array;
  /** What its requests have of the worker's memory. */
  readonly share: ExportShare;
  /** The snapshot's, in its volume, whose exceptions are made durable by main (C-13, C-14); LIVE_VOLUME: there are none. */
  readonly index: number;
  /** How many bytes a piece of this kind that begins at `from` may have at most, of a request that ends at `end`. Looks nothing up. */
  stretch(kind: PieceKind, from: number, end: number): number;
  /**
   * Look the piece's chunks up and act, from the top (C-4, C-10, C-12): called when it begins, when its gate opens, when main
   * has released it. It may shorten a piece that has just begun; a piece that has to wait is shortened to one chunk first.
   */
  look(piece: Piece): void;
  /** The piece's device operation has ended; `piece.transfer.error` says how. */
  deviceDone(piece: Piece): void;
}
