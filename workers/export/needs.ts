/**
 * What a piece asks of main, on behalf of either export. Whoever asks leaves its gate first: main may wait for that very gate (C-11).
 *
 *   Handler ──needOrigin──────▶ Main         every snapshot is to keep the old data
 *           ──needExclusive───▶ Exclusive    no other write in the gate
 *
 * A first write's chunk is asked for in first-write.ts, the end of a merging range in merging-handler.ts, durable exceptions in
 * snapshot-handler.ts.
 */
import { assert } from "../../src/base/assert.ts";
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { Message } from "../../src/ring/messages.ts";
import { NeedExclusive, NeedOrigin } from "../../src/ring/to-main.ts";
import type { ExportContext } from "./context.ts";
import type { Piece } from "./piece.ts";
import { Stage } from "./stage.ts";

/** Ask main for the exceptions that an origin write needs; the piece is announced nowhere meanwhile (C-11). */
export function needOrigin(context: ExportContext, piece: Piece): void {
  context.leave(piece);
  piece.moveTo(Stage.Main);
  const sector = Math.floor(piece.offset / SECTOR_BYTES);
  const sectors = Math.ceil((piece.offset + piece.length) / SECTOR_BYTES) - sector;
  const { outbox } = context;
  const at = outbox.begin(Message.NeedOrigin, piece.volume, piece.index);
  NeedOrigin.sector.set(outbox.words, at, sector);
  NeedOrigin.sectors.set(outbox.words, at, sectors);
}

/** Ask to be the only write of the piece's gate; `look` comes again when it is granted. */
export function needExclusive(context: ExportContext, piece: Piece): void {
  assert(!piece.announcement.isNowhere, "no gate to be alone in");
  const { gate } = piece.announcement;
  context.leave(piece);
  piece.moveTo(Stage.Exclusive);
  const { outbox } = context;
  const at = outbox.begin(Message.NeedExclusive, piece.volume, piece.index);
  NeedExclusive.gate.set(outbox.words, at, gate);
}
