/**
 * Whose old data an origin write has to keep, and small looks of a worker at what it knows: devices, exports, what has come back.
 */
import { ORIGIN_EXPORT } from "../../../src/base/constants.ts";
import { describe, expect, it } from "vitest";
import { SnapshotState } from "../../../src/base/states.ts";
import { cowFile } from "../../support/device-numbers.ts";
import type { ServedVolume } from "../../../workers/export/served-volume.ts";
import { DeviceView } from "../../../workers/export/device-view.ts";
import { Exports, newExport } from "../../../workers/export/exports.ts";
import { ChunkHolds } from "../../../workers/export/fill.ts";
import { pieceOwner, requestOwner } from "../../../workers/export/owned-slots.ts";
import { SlotFit } from "../../../src/ring/slots.ts";
import { PieceKind } from "../../../workers/export/piece.ts";
import { Operation } from "../../../workers/export/request.ts";
import { settledEverywhere, soleUnsettled } from "../../../workers/export/settled.ts";
import { type BenchSnapshot, ExportBench } from "../../support/export-bench.ts";
import { IDLE_HANDLER } from "../../support/idle-handler.ts";
import { requestHeader } from "../../support/request-header.ts";

const CHUNK = 16384;

describe("the only snapshot that misses a chunk", () => {
  /** Two snapshots: the second misses chunk 1, the first chunk 2, both chunk 0, and of chunk 3 the second has an exception on its way. */
  function listed(): {
    volume: ServedVolume;
    first: BenchSnapshot;
    sole: (offset: number, length?: number) => number;
  } {
    const bench = new ExportBench();
    const [first, second] = [bench.addSnapshot(0), bench.addSnapshot(1)];
    bench.volume.setList([0, 1]);
    bench.publish(first, 1, 3, true);
    bench.publish(second, 2, 3, true);
    bench.publish(first, 3, 4, true);
    bench.publish(second, 3, 4, false);
    const volume = bench.served;
    return { volume, first, sole: (offset, length = 512) => soleUnsettled(volume, { offset, length })?.index ?? -1 };
  }

  it("is none where two miss it, where it is more than a chunk, or has an exception on its way", () => {
    const { volume, sole } = listed();
    expect([sole(0), sole(CHUNK), sole(2 * CHUNK), sole(3 * CHUNK)]).toEqual([-1, 1, 0, -1]);
    expect([sole(CHUNK + 512, CHUNK - 512), sole(CHUNK + 513, CHUNK - 512)]).toEqual([1, -1]);
    expect(settledEverywhere(volume, CHUNK, 512)).toBe(false);
  });

  it("is not one that needs nothing any more, and nobody is while one does without new chunks", () => {
    const { volume, first, sole } = listed();
    first.words.setState(SnapshotState.Invalid);
    expect([sole(0), sole(2 * CHUNK)]).toEqual([1, -1]);
    expect(settledEverywhere(volume, 2 * CHUNK, CHUNK)).toBe(true);
    first.words.setState(SnapshotState.Overflow);
    expect([sole(0), sole(CHUNK), sole(2 * CHUNK)]).toEqual([-1, -1, -1]);
    expect([settledEverywhere(volume, 2 * CHUNK, 512), settledEverywhere(volume, CHUNK, 512)]).toEqual([false, false]);
  });
});

it("a range is whole blocks by its place and by its length, and any is on a buffered device", () => {
  const direct = new DeviceView({ file: 1, align: 512, inline: false });
  expect([direct.isAligned(512, 1024), direct.isAligned(512, 100), direct.isAligned(100, 512)]).toEqual([
    ...[true, false, false],
  ]);
  expect(new DeviceView({ file: 1, align: 1, inline: true }).isAligned(7, 13)).toBe(true);
});

it("an export is found by its name, the live volume by none, too, until it is taken away", () => {
  const exports = new Exports("volume");
  const origin = newExport(ORIGIN_EXPORT, 4096, false, 4096, IDLE_HANDLER);
  const snapshot = newExport("s0", 4096, true, 1, IDLE_HANDLER);
  exports.add(origin);
  exports.add(snapshot);
  expect([exports.find(""), exports.find(ORIGIN_EXPORT), exports.find("s0")]).toEqual([origin, origin, snapshot]);
  expect([origin.preferredBlockBytes, snapshot.preferredBlockBytes]).toEqual([4096, 512]);
  expect(origin.description).not.toBe(snapshot.description);
  exports.remove("s0");
  expect([exports.find("s0"), [...exports.list()]]).toEqual([undefined, [origin]]);
});

it("a snapshot that is taken away leaves its place in the file table, and its name", () => {
  const bench = new ExportBench();
  bench.addSnapshot(2);
  expect(bench.ring.files.has(cowFile(2))).toBe(true);
  bench.volume.setList([]);
  bench.control({ kind: "forget", volume: 0, index: 2, name: "s2" });
  expect([bench.ring.files.has(cowFile(2)), bench.served.snapshots[2]]).toEqual([false, undefined]);
});

describe("those who wait are told", () => {
  it("when a slot of a request has come back, also while that goes on", () => {
    const { context } = new ExportBench();
    const [client] = context.connections;
    const request = context.requests.take()!;
    request.begin(0, IDLE_HANDLER, Operation.Write, requestHeader(0, 512), 0);
    context.giveBackSlot(request);
    expect(context.returned).toBe(false);
    IDLE_HANDLER.share.requests += 1;
    const owner = requestOwner(request.index);
    request.hold(context.takeSlot(512, owner, SlotFit.Smallest, IDLE_HANDLER.share, client!), 512, 0);
    client!.heldBytes = 512;
    context.giveBackSlot(request);
    expect([context.returned, request.slot, client!.heldBytes, context.slots.used()]).toEqual([true, -1, 0, 0]);
    context.returned = false;
    request.volume.requests = 1;
    context.giveBack(request);
    expect([context.returned, context.requests.used()]).toEqual([true, 0]);
  });

  it("when that of a chunk has", () => {
    const bench = new ExportBench();
    bench.addSnapshot();
    const { context } = bench;
    const piece = context.pieces.take()!;
    const request = context.requests.all[0]!;
    request.begin(0, IDLE_HANDLER, Operation.Write, requestHeader(0, 512), 0);
    piece.begin(request, PieceKind.Write, 0, 512, -1);
    piece.fill.begin(bench.served.snapshot(0), ChunkHolds.Write);
    context.endFill(piece);
    expect([context.returned, piece.fill.isUnderWay]).toEqual([false, false]);
    piece.fill.begin(bench.served.snapshot(0), ChunkHolds.Write);
    const owner = pieceOwner(piece.index);
    piece.fill.slot = context.takeSlot(512, owner, SlotFit.Smallest, IDLE_HANDLER.share, context.connections[0]!);
    context.endFill(piece);
    expect([context.returned, piece.fill.isUnderWay, context.slots.used()]).toEqual([true, false, 0]);
  });
});
