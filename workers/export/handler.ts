/**
 * What an export does with a piece: the origin, a snapshot, or the merging volume.
 */
import type { Piece } from "./piece.ts";
import type { Request } from "./request.ts";

export interface ExportHandler {
  /** Row in the counters: 0 the origin, 1 + snapshot index. */
  readonly exportIndex: number;
  /** How far a piece that begins at the request's cursor may reach at most, in bytes. Looks nothing up. */
  stretch(request: Request): number;
  /**
   * Look the piece's chunks up and act, from the top (C-4, C-10, C-12): called when it begins, when its gate opens, when main
   * has released it. It may shorten a piece that has just begun; a piece that has to wait is shortened to one chunk first.
   */
  look(piece: Piece): void;
  /** Main has granted the piece's chunk: write it at `newChunk` (E-6). */
  granted(piece: Piece, newChunk: number, whole: boolean): void;
  /** Main has refused the claim of a reserved chunk: look again without one. */
  claimRefused(piece: Piece): void;
  /** The piece's device operation has ended; `piece.error` says how. */
  deviceDone(piece: Piece): void;
}
