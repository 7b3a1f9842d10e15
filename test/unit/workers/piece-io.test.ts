/** The device operations of one piece by themselves: what is asked of the device, and what becomes of its answers. */
import { describe, expect, it } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import { isDeviceFile } from "../../../src/ring/file-table.ts";
import { AllocateMode, IoOp } from "../../../src/ring/io-descriptor.ts";
import { SlotFit } from "../../../src/ring/slots.ts";
import type { DeviceView } from "../../../workers/export/device-view.ts";
import { requestOwner } from "../../../workers/export/owned-slots.ts";
import { type Piece, PieceKind } from "../../../workers/export/piece.ts";
import { PieceIo } from "../../../workers/export/piece-io.ts";
import { Operation } from "../../../workers/export/request.ts";
import { Durability } from "../../../workers/export/transfer.ts";
import { ORIGIN_FILE } from "../../support/device-numbers.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { idleHandler } from "../../support/idle-handler.ts";
import { requestHeader } from "../../support/request-header.ts";

const BLOCK = 4096;

interface Moving {
  readonly io: PieceIo;
  readonly piece: Piece;
  readonly device: DeviceView;
  /** [operation, position, length] of what the device has been asked for since the last call. */
  readonly asked: () => number[][];
}

/** A piece in its handler's hands, alone in its gate, of so many bytes there; the device takes whole blocks. */
function moving(kind: PieceKind, offset: number, length: number): Moving {
  const bench = new ExportBench({ originAlign: BLOCK });
  const { context, ring } = bench;
  const request = context.requests.take()!;
  request.begin(0, idleHandler(), Operation.Nothing, requestHeader(offset, length), 0);
  if (kind === PieceKind.Read || kind === PieceKind.Write) {
    const slot = context.slots.take(length, requestOwner(request.index), SlotFit.Smallest);
    request.hold(slot, length, context.slots.address(slot));
  }
  const piece = context.pieces.take()!;
  piece.begin(request, kind, offset, length, request.memory);
  piece.announcement.grantExclusive();
  const asked = (): number[][] => {
    ring.log.length = 0;
    ring.turn(context.submissions.take(), false);
    const devices = ring.log.filter(({ op, file }) => isDeviceFile(file) || op === IoOp.Sync);
    return devices.map(({ op, position, length: bytes }) => [op, position, bytes]);
  };
  return { io: new PieceIo(context), piece, device: bench.served.origin, asked };
}

describe("a flush", () => {
  it.each([0, errno.ENOSPC])("ends with the device's word: %i", (error) => {
    const { io, piece, asked } = moving(PieceKind.Flush, 0, 0);
    io.sync(piece, ORIGIN_FILE);
    expect(asked()).toEqual([[IoOp.Sync, 0, 0]]);
    expect([io.completed(piece, -error), piece.transfer.error]).toEqual([true, error]);
  });
});

describe("a read", () => {
  it("that comes short goes on reading, and writes nothing", () => {
    const { io, piece, device, asked } = moving(PieceKind.Read, 100, 2 * BLOCK);
    io.read(piece, device, 100);
    expect(asked()).toEqual([[IoOp.Read, 0, 3 * BLOCK]]);
    expect(io.completed(piece, BLOCK)).toBe(false);
    expect(asked()).toEqual([[IoOp.Read, BLOCK, 2 * BLOCK]]);
    // The bytes behind its own need not come.
    expect(io.completed(piece, BLOCK + 99)).toBe(false);
    expect(io.completed(piece, 1)).toBe(true);
    expect(piece.transfer.error).toBe(0);
  });
});

describe("zeroes", () => {
  it.each([
    [0, 4096, IoOp.Allocate],
    [4096, 8192, IoOp.Allocate],
    [4096, 512, IoOp.Write],
    [512, 4096, IoOp.Write],
    [512, 3584, IoOp.Write],
  ])("at %i, of %i bytes, are a hole where they are whole pages, else written", (position, length, op) => {
    const { io, piece, device, asked } = moving(PieceKind.Trim, position, length);
    io.zero(piece, device, position, Durability.WhenFlushed);
    expect(asked()).toEqual([[op, position, length]]);
  });
});

describe("a write of parts of blocks", () => {
  it.each([
    [1000, 5000, [0, 4096]],
    [0, 100, [0]],
    [100, 300, [0]],
    [4000, 96, [0]],
    [4096, 5000, [8192]],
    [5000, 3192, [4096]],
    [5000, 7288, [4096]],
    [4000, 8293, [0, 12288]],
  ] as const)("at %i, of %i bytes, reads just the blocks that it covers in part", (offset, length, blocks) => {
    const { io, piece, device, asked } = moving(PieceKind.Write, offset, length);
    io.write(piece, device, offset, Durability.WhenFlushed);
    expect(asked()).toEqual(blocks.map((block) => [IoOp.Read, block, BLOCK]));
  });

  it("fails with the error of an edge that cannot be read", () => {
    const { io, piece, device, asked } = moving(PieceKind.Write, 1000, 5000);
    io.write(piece, device, 1000, Durability.WhenFlushed);
    asked();
    expect([io.edgeCompleted(piece, -errno.ENOMEM), io.edgeCompleted(piece, BLOCK)]).toEqual([false, true]);
    expect([piece.transfer.error, asked()]).toEqual([errno.ENOMEM, []]);
  });

  it("that comes short goes on as far as its own last byte, not as many bytes as it has", () => {
    const { io, piece, device, asked } = moving(PieceKind.Write, 1000, 5000);
    io.write(piece, device, 1000, Durability.WhenFlushed);
    for (let i = 0; i < 2; i++) io.edgeCompleted(piece, BLOCK);
    asked();
    expect(io.completed(piece, 5500)).toBe(false);
    expect(asked()).toEqual([[IoOp.Write, 5500, 2 * BLOCK - 5500]]);
    expect([io.completed(piece, 500), piece.transfer.error]).toEqual([true, 0]);
  });

  it("carries data", () => {
    const { io, piece, device } = moving(PieceKind.Zero, 100, 200);
    expect(() => io.write(piece, device, 100, Durability.WhenFlushed)).toThrow("parts of blocks carry data");
  });
});

it("a device that cannot make holes is asked to zero a range, and one that can do neither gets zeroes", () => {
  const { io, piece, device, asked } = moving(PieceKind.Zero, 0, BLOCK);
  io.zero(piece, device, 0, Durability.WhenFlushed);
  asked();
  expect(io.completed(piece, -errno.EOPNOTSUPP)).toBe(false);
  expect([piece.transfer.allocateMode, asked()]).toEqual([
    AllocateMode.ZeroRange | AllocateMode.KeepSize,
    [[IoOp.Allocate, 0, BLOCK]],
  ]);
  expect(io.completed(piece, -errno.EOPNOTSUPP)).toBe(false);
  expect(asked()).toEqual([[IoOp.Write, 0, BLOCK]]);
  expect([io.completed(piece, BLOCK), piece.transfer.error]).toEqual([true, 0]);
});
