/** How far a piece of an export reaches, with a merge and without, and whom a write asks whose chunk is not on the COW device. */
import { describe, expect, it } from "vitest";
import { MAX_PIECE_BYTES } from "../../../src/base/constants.ts";
import { SnapshotState } from "../../../src/base/states.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { Message } from "../../../src/ring/messages.ts";
import { handlerOf } from "../../../workers/export/context.ts";
import type { ExportHandler } from "../../../workers/export/handler.ts";
import { PieceKind } from "../../../workers/export/piece.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";

const CHUNK = 16384;
const PAGE = 4096;

/** Of an export, by default the live volume: as a request of it has it. */
function handlerOfExport(bench: ExportBench, name = ""): ExportHandler {
  const client = bench.connect(name);
  bench.ring.held = () => true;
  client.read(0, 512);
  bench.run();
  const [request] = bench.context.requests.all.filter(({ handler }) => handler !== null);
  bench.ring.held = () => false;
  const handler = handlerOf(request!);
  bench.run();
  return handler;
}

function merging(bench: ExportBench): void {
  const snapshot = bench.addSnapshot();
  bench.publish(snapshot, 1, 9, true, 0x44);
  snapshot.words.setState(SnapshotState.Merging);
  bench.volume.setList([]);
  bench.volume.setMerging(0);
}

describe("a piece of the live volume", () => {
  it("that reads has no bounds; one that writes or trims ends where all meet, one of zeroes with a page besides", () => {
    const handler = handlerOfExport(new ExportBench());
    const long = 2 * MAX_PIECE_BYTES + 100;
    expect(handler.stretch(PieceKind.Read, 512, 512 + long)).toBe(long);
    for (const kind of [PieceKind.Write, PieceKind.Trim])
      expect(handler.stretch(kind, 512, 512 + long)).toBe(MAX_PIECE_BYTES - 512);
    expect(handler.stretch(PieceKind.Zero, 0, CHUNK + 5 * PAGE + 9)).toBe(CHUNK + 5 * PAGE);
    expect(handler.stretch(PieceKind.Write, 0, CHUNK + 5 * PAGE + 9)).toBe(CHUNK + 5 * PAGE + 9);
  });

  it("ends with its chunk while a snapshot is merged, but for reads and trims, for which nothing is merged (E-33, E-35)", () => {
    const bench = new ExportBench();
    const handler = handlerOfExport(bench);
    merging(bench);
    expect(handler.stretch(PieceKind.Read, 512, 512 + 2 * MAX_PIECE_BYTES)).toBe(2 * MAX_PIECE_BYTES);
    expect(handler.stretch(PieceKind.Trim, 512, 512 + 2 * MAX_PIECE_BYTES)).toBe(MAX_PIECE_BYTES - 512);
    expect(handler.stretch(PieceKind.Write, 512, 512 + 4 * CHUNK)).toBe(CHUNK - 512);
    expect(handler.stretch(PieceKind.Write, 0, PAGE + 9)).toBe(PAGE + 9);
    expect(handler.stretch(PieceKind.Zero, 0, 4 * CHUNK)).toBe(CHUNK);
    expect(handler.stretch(PieceKind.Zero, 0, PAGE + 9)).toBe(PAGE);
  });
});

it("a piece of a snapshot is bounded as one of the live volume, but for trims that do nothing", () => {
  for (const zeroes of [false, true]) {
    const bench = new ExportBench({ originBytes: 4 * 1024 * 1024 });
    bench.addSnapshot(0, { zeroes });
    const handler = handlerOfExport(bench, "s0");
    const long = 2 * MAX_PIECE_BYTES + 100;
    expect(handler.stretch(PieceKind.Read, 512, 512 + long)).toBe(long);
    expect(handler.stretch(PieceKind.Trim, 512, 512 + long)).toBe(zeroes ? MAX_PIECE_BYTES - 512 : long);
    expect(handler.stretch(PieceKind.Write, 512, 512 + long)).toBe(MAX_PIECE_BYTES - 512);
    expect(handler.stretch(PieceKind.Write, 0, PAGE + 9)).toBe(PAGE + 9);
    expect(handler.stretch(PieceKind.Zero, 0, PAGE + 9)).toBe(PAGE);
  }
});

it("a write beside a merge asks main where the origin's chunk is needed by another snapshot, not where the COW device has it (E-18, E-33)", () => {
  const bench = new ExportBench();
  merging(bench);
  bench.addSnapshot(1);
  bench.volume.setList([1]);
  const client = bench.connect();
  const mapped = client.write(CHUNK, dataPattern(512, 3));
  const asks = client.write(3 * CHUNK, dataPattern(512, 4));
  bench.run();
  expect(client.errors()).toEqual({ [mapped]: 0 });
  const [need, ...others] = bench.take(Message.NeedOrigin);
  expect([need!.slice(2, 5), others]).toEqual([[(3 * CHUNK) / 512, 0, 1], []]);
  bench.release(need![1]!, 5);
  bench.run();
  expect(client.errors()).toEqual({ [asks]: 5 });
});

it("a trim of parts of blocks does not wait to be alone", () => {
  const bench = new ExportBench({ originAlign: PAGE });
  const client = bench.connect();
  const trim = client.request(Command.Trim, 512, 3 * PAGE);
  bench.run();
  expect([client.errors(), bench.take(Message.NeedExclusive)]).toEqual([{ [trim]: 0 }, []]);
});
