/** A new chunk that a worker puts together: what of the origin is read for it, what is written, what a failure leaves. */
import { describe, expect, it } from "vitest";
import { EXPORT_SLOTS } from "../../../src/ring/export-arena.ts";
import { SlotFit } from "../../../src/ring/slots.ts";
import { ChunkFill } from "../../../workers/export/chunk-fill.ts";
import { ChunkHolds } from "../../../workers/export/fill.ts";
import { requestOwner } from "../../../workers/export/owned-slots.ts";
import { type Piece, PieceKind } from "../../../workers/export/piece.ts";
import { Operation } from "../../../workers/export/request.ts";
import { Stage } from "../../../workers/export/stage.ts";
import { Durability } from "../../../workers/export/transfer.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { idleHandler } from "../../support/idle-handler.ts";
import { requestHeader } from "../../support/request-header.ts";

const CHUNK = 16384;
const ENOSPC = 28;
const EIO = 5;

interface Filling {
  readonly bench: ExportBench;
  readonly piece: Piece;
  readonly fills: ChunkFill;
}

interface Options {
  readonly chunkBytes?: number;
  readonly originBytes?: number;
  readonly align?: number;
  readonly holds?: ChunkHolds;
}

/** A piece that writes so many bytes there, durably at once, and is to put its chunk together. */
function filling(offset: number, length: number, options: Options = {}): Filling {
  const { chunkBytes = CHUNK, originBytes = 1024 * 1024, align = 1, holds = ChunkHolds.Write } = options;
  const bench = new ExportBench({ chunkBytes, originBytes, originAlign: align });
  bench.addSnapshot();
  const { context, served } = bench;
  const request = context.requests.take()!;
  request.begin(0, idleHandler(), Operation.Write, requestHeader(offset, length), 0);
  request.durable = true;
  const slot = context.slots.take(length, requestOwner(request.index), SlotFit.Smallest);
  request.hold(slot, length, context.slots.address(slot));
  request.pieces = 1;
  const piece = context.pieces.take()!;
  piece.begin(request, PieceKind.Write, offset, length, request.memory);
  piece.fill.begin(served.snapshot(0), holds);
  return { bench, piece, fills: new ChunkFill(context) };
}

/** What is read of the origin's chunk, and where it goes from there. */
function reads(offset: number, length: number, options: Options = {}): [number, number, Stage] {
  const { piece, fills } = filling(offset, length, options);
  expect(fills.prepare(piece)).toBe(true);
  fills.start(piece, 9);
  return [piece.fill.from, piece.fill.to, piece.stage];
}

describe("a chunk", () => {
  it("of 128 KiB is put together here, a larger one is not", () => {
    for (const [chunkBytes, here] of [
      [128 * 1024, true],
      [256 * 1024, false],
    ] as const) {
      const { piece, fills } = filling(0, 512, { chunkBytes });
      expect(fills.prepare(piece)).toBe(here);
      expect(piece.fill.slot !== -1).toBe(here);
    }
  });

  it("is not where there is no memory for it", () => {
    const { bench, piece, fills } = filling(0, 512);
    const { slots } = bench.context;
    for (const { bytes } of EXPORT_SLOTS) while (slots.take(bytes, requestOwner(1), SlotFit.Smallest) !== -1);
    expect([fills.prepare(piece), piece.fill.slot]).toEqual([false, -1]);
  });
});

describe("of the origin's chunk is read", () => {
  it("what stands behind a write at its beginning, before one at its end, and all around one in its middle", () => {
    expect(reads(CHUNK, 512)).toEqual([512, CHUNK, Stage.FillRead]);
    expect(reads(2 * CHUNK - 512, 512)).toEqual([0, CHUNK - 512, Stage.FillRead]);
    expect(reads(CHUNK + 512, 512)).toEqual([0, CHUNK, Stage.FillRead]);
  });

  it("nothing where the write covers it", () => {
    expect(reads(CHUNK, CHUNK)[2]).toBe(Stage.FillWrite);
    expect(reads(CHUNK, 1024, { originBytes: CHUNK + 1024 })[2]).toBe(Stage.FillWrite);
    expect(reads(CHUNK, 1024, { originBytes: CHUNK + 1024, align: 4096 })).toEqual([0, 0, Stage.FillWrite]);
  });

  it("whole blocks of its device, and no more than there is", () => {
    expect(reads(CHUNK, 4100, { align: 4096 })).toEqual([4096, CHUNK, Stage.FillRead]);
    expect(reads(2 * CHUNK - 100, 100, { align: 4096 })).toEqual([0, CHUNK, Stage.FillRead]);
    expect(reads(CHUNK, 512, { originBytes: CHUNK + 1024 })).toEqual([512, 1024, Stage.FillRead]);
  });

  it("all of it where the old data is to be kept, whatever the write covers", () => {
    for (const length of [512, CHUNK])
      expect(reads(CHUNK, length, { holds: ChunkHolds.OldData })).toEqual([0, CHUNK, Stage.FillRead]);
  });
});

it("the write's durability is that of its chunk; old data waits for a flush", () => {
  for (const [holds, durability] of [
    [ChunkHolds.Write, Durability.AtOnce],
    [ChunkHolds.OldData, Durability.WhenFlushed],
  ] as const) {
    const { piece, fills } = filling(CHUNK, 512, { holds });
    fills.prepare(piece);
    fills.start(piece, 9);
    expect([piece.transfer.durability, piece.transfer.position]).toEqual([durability, 9 * CHUNK]);
  }
});

it("a device's error is the chunk's, and nothing moved is one, too", () => {
  for (const [result, error] of [
    [-ENOSPC, ENOSPC],
    [0, EIO],
  ] as const) {
    const { piece, fills } = filling(CHUNK, 512);
    fills.prepare(piece);
    fills.start(piece, 9);
    expect([fills.completed(piece, result), piece.transfer.error]).toEqual([true, error]);
  }
});

it("a write that reaches beyond its chunk is put into none", () => {
  const { piece, fills } = filling(2 * CHUNK - 512, 1024, { holds: ChunkHolds.Write });
  fills.prepare(piece);
  // Nothing is left to be read: its bytes come next.
  expect(() => {
    fills.start(piece, 9);
    fills.completed(piece, piece.fill.to - piece.fill.from);
  }).toThrow("beyond its chunk");
});
