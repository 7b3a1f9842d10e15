/**
 * The last look at a piece's operation before it goes into the batch: its bytes lie in the slot that the piece may use, the file is one that the
 * piece's transfer is about, and the transfer will take the answer.
 *
 *   request's slot   reads, writes, the blocks around them      piece's own slot   the chunk that it fills      zero region   zeroes
 */
import { assert } from "../../src/base/assert.ts";
import { FILE_COUNT } from "../../src/ring/file-table.ts";
import { IoOp } from "../../src/ring/io-descriptor.ts";
import type { ExportContext } from "./context.ts";
import { pieceOwner, requestOwner } from "./owned-slots.ts";
import type { Piece } from "./piece.ts";
import { User } from "./user-words.ts";

/** Bytes of the request. `user`: User.Piece, or one of the edges. */
export function submitBytes(
  context: ExportContext,
  piece: Piece,
  op: typeof IoOp.Read | typeof IoOp.Write,
  user: number,
  address: number,
  length: number,
  position: number,
): void {
  const { transfer } = piece;
  context.slots.assertHolds(piece.slot, requestOwner(piece.request), address, length);
  assert(position >= 0, "a device has no bytes before its first");
  transfer.ask(length);
  const argument = op === IoOp.Write ? transfer.durability : 0;
  context.submissions.push(op, transfer.file, user | piece.index, address, length, position, argument);
}

/** Bytes of the chunk that the piece puts together. */
export function submitFill(
  context: ExportContext,
  piece: Piece,
  op: typeof IoOp.Read | typeof IoOp.Write,
  file: number,
  address: number,
  length: number,
  position: number,
): void {
  const { transfer } = piece;
  context.slots.assertHolds(piece.fill.slot, pieceOwner(piece.index), address, length);
  assert(file >= 0 && file < FILE_COUNT, "a file that is not in the table");
  assert(position >= 0, "a device has no bytes before its first");
  transfer.ask(length);
  const argument = op === IoOp.Write ? transfer.durability : 0;
  context.submissions.push(op, file, User.Piece | piece.index, address, length, position, argument);
}

/** Zeroes: as many of them as the region has. */
export function submitZeroes(context: ExportContext, piece: Piece, length: number, position: number): void {
  const { transfer } = piece;
  assert(length > 0 && length <= context.zeroBytes, "zeroes that are not there");
  transfer.ask(length);
  const user = User.Piece | piece.index;
  context.submissions.push(IoOp.Write, transfer.file, user, context.zeroAddress, length, position, transfer.durability);
}

/** An fallocate of the transfer's file. */
export function submitAllocate(
  context: ExportContext,
  piece: Piece,
  mode: number,
  position: number,
  length: number,
): void {
  assert(length > 0 && position >= 0, "an allocation of nothing");
  piece.transfer.ask(0);
  piece.transfer.allocateMode = mode;
  context.submissions.pushAllocate(piece.transfer.file, User.Piece | piece.index, mode, position, length);
}

/** An operation without bytes: a flush, or one that does nothing. */
export function submitBare(context: ExportContext, piece: Piece, op: typeof IoOp.Sync | typeof IoOp.Nop): void {
  piece.transfer.ask(0);
  context.submissions.push(op, piece.transfer.file, User.Piece | piece.index, 0, 0, 0, 0);
}
