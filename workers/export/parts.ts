/**
 * Payloads that are too large for one slot: they are read and sent, or received and written, part by part, all in the one slot of a part's size that
 * the request took when its header was parsed. So it needs no more while it goes on, and can wait for nobody.
 *
 *   read     ├ part: device ─▶ slot ─▶ send ┤├ next part …        header + data │ data │ data     no other reply goes between; in chunks each has a header
 *   write    ├ part: receive ─▶ slot ─▶ device ┤├ next part …     the reply when the last one is written
 *
 * Parts meet where pieces do, at a block's end of every device. An error of a write is answered when the rest of its payload has been thrown away. One of a
 * read is answered if it is the first part's, or where its parts are chunks; else the header has gone that says that all is well, and only the end of the stream tells otherwise.
 * FUA: every part is written durably, and what makes the exceptions durable follows the last one.
 */
import { assert } from "../../src/base/assert.ts";
import { MAX_PIECE_BYTES, MAX_WHOLE_BYTES } from "../../src/base/constants.ts";
import { PAGE_BYTES } from "../../src/ring/slots.ts";
import type { ExportContext } from "./context.ts";
import type { Request } from "./request.ts";
import { toPieceEnd } from "./stretch.ts";

/** Bytes that a request of so many, from `offset` on, has in its slot at a time. */
export function partBytes(offset: number, length: number): number {
  return length > MAX_WHOLE_BYTES ? Math.min(length, toPieceEnd(offset)) : length;
}

/** Bytes of the slot for a payload of so many: each of its parts, of which the first may be the smallest, must find room. */
export function slotBytesFor(length: number): number {
  return length > MAX_WHOLE_BYTES ? MAX_PIECE_BYTES : length;
}

export function hasMoreParts(request: Request): boolean {
  return request.end < request.last;
}

/** A part that is not the first: the reply's header has left. */
export function isLaterPart(request: Request): boolean {
  return request.offset > request.first;
}

/** The part is done: the request's fields, and its slot, are for the next one. */
export function beginNextPart(context: ExportContext, request: Request): void {
  const from = request.end;
  assert(from < request.last, "no part is left");
  assert(request.pieces === 0 && request.slot !== -1, "a part began over the one before");
  request.offset = from;
  request.cursor = from;
  request.end = Math.min(request.last, from + toPieceEnd(from));
  assert(from % PAGE_BYTES === 0, "parts meet where pages do");
  request.memory = context.slots.address(request.slot);
}
