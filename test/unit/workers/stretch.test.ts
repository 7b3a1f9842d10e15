/**
 * How far a piece reaches, and a part of a large payload: at the edges of pages, pieces and slots.
 */
import { describe, expect, it } from "vitest";
import { MAX_PIECE_BYTES, MAX_WHOLE_BYTES } from "../../../src/base/constants.ts";
import { PAGE_BYTES, SlotFit } from "../../../src/ring/slots.ts";
import { beginNextPart, hasMoreParts, isLaterPart, partBytes, slotBytesFor } from "../../../workers/export/parts.ts";
import { Operation, Request } from "../../../workers/export/request.ts";
import { toPieceEnd, zeroStretch } from "../../../workers/export/stretch.ts";
import { requestOwner } from "../../../workers/export/owned-slots.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { IDLE_HANDLER } from "../../support/idle-handler.ts";
import { requestHeader } from "../../support/request-header.ts";

describe("a piece", () => {
  it("ends where all pieces meet", () => {
    expect([0, 1, MAX_PIECE_BYTES - 1, MAX_PIECE_BYTES, 3 * MAX_PIECE_BYTES + 5].map(toPieceEnd)).toEqual([
      ...[MAX_PIECE_BYTES, MAX_PIECE_BYTES - 1, 1, MAX_PIECE_BYTES, MAX_PIECE_BYTES - 5],
    ]);
  });

  it("of zeroes is whole pages, or what is in one page only", () => {
    expect(zeroStretch(0, 3 * PAGE_BYTES)).toBe(3 * PAGE_BYTES);
    expect(zeroStretch(0, 3 * PAGE_BYTES + 5)).toBe(3 * PAGE_BYTES);
    expect(zeroStretch(0, PAGE_BYTES + 1)).toBe(PAGE_BYTES);
    expect(zeroStretch(PAGE_BYTES, PAGE_BYTES)).toBe(PAGE_BYTES);
    expect(zeroStretch(PAGE_BYTES, 5)).toBe(5);
    expect(zeroStretch(PAGE_BYTES + 1, 3 * PAGE_BYTES)).toBe(PAGE_BYTES - 1);
    expect(zeroStretch(PAGE_BYTES + 1, 5)).toBe(5);
  });
});

describe("a payload", () => {
  it("goes in parts where it is longer than 32 MiB, of which the first may be the smallest", () => {
    expect(partBytes(5, MAX_WHOLE_BYTES)).toBe(MAX_WHOLE_BYTES);
    expect(partBytes(5, MAX_WHOLE_BYTES + 1)).toBe(MAX_PIECE_BYTES - 5);
    expect([MAX_WHOLE_BYTES, MAX_WHOLE_BYTES + 1].map(slotBytesFor)).toEqual([MAX_WHOLE_BYTES, MAX_PIECE_BYTES]);
  });

  it("goes on where its part ended, in the same slot, until the last one is cut short by its end", () => {
    const { context } = new ExportBench();
    const request = new Request(0);
    const length = MAX_PIECE_BYTES + 100;
    request.begin(0, IDLE_HANDLER, Operation.Read, requestHeader(7, length), 0);
    expect([hasMoreParts(request), isLaterPart(request)]).toEqual([false, false]);
    request.end = MAX_PIECE_BYTES;
    expect([hasMoreParts(request), isLaterPart(request)]).toEqual([true, false]);
    expect(() => beginNextPart(context, request)).toThrow("over the one before");
    const slot = context.slots.take(MAX_PIECE_BYTES, requestOwner(0), SlotFit.Smallest);
    request.hold(slot, MAX_PIECE_BYTES, context.slots.address(slot) + 7);
    request.pieces = 1;
    expect(() => beginNextPart(context, request)).toThrow("over the one before");
    request.pieces = 0;
    beginNextPart(context, request);
    const { offset, cursor, end, memory } = request;
    expect([offset, cursor, end]).toEqual([MAX_PIECE_BYTES, MAX_PIECE_BYTES, length + 7]);
    expect(memory).toBe(context.slots.address(slot));
    expect([hasMoreParts(request), isLaterPart(request)]).toEqual([false, true]);
    expect(() => beginNextPart(context, request)).toThrow("no part is left");
    request.last += PAGE_BYTES;
    expect(() => beginNextPart(context, request)).toThrow("where pages do");
  });
});
