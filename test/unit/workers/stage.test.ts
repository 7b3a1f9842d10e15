/**
 * A piece's stages: what may follow what, and that nothing else does.
 */
import { describe, expect, it } from "vitest";
import { AssertionFailure } from "../../../src/base/assert.ts";
import { Piece, PieceKind, Step } from "../../../workers/export/piece.ts";
import { assertFollows, isFilling, isReleasable, Stage, waitsForWord } from "../../../workers/export/stage.ts";

import { Durability } from "../../../workers/export/transfer.ts";

const OWNER = { index: 3, volume: { number: 0 }, slot: -1, durable: false, noHole: false };
const STAGES = Object.entries(Stage);

function begun(): Piece {
  const piece = new Piece(0);
  piece.begin(OWNER, PieceKind.Write, 8192, 4096, 65536);
  return piece;
}

function follows(from: Stage, to: Stage): boolean {
  try {
    assertFollows(from, to);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(AssertionFailure);
    return false;
  }
}

describe("stages", () => {
  it.each(STAGES)("from %s a piece comes back to its handler, and from there to the pool", (_, stage) => {
    const reached = new Set<Stage>([stage]);
    for (const from of reached) for (const [, to] of STAGES) if (follows(from, to)) reached.add(to);
    expect([reached.has(Stage.Handler), reached.has(Stage.Free)]).toEqual([true, true]);
  });

  it("main can end every wait, and only waits", () => {
    const waits = STAGES.filter(([, stage]) => waitsForWord(stage)).map(([name]) => name);
    expect(waits).toEqual(["Gate", "Main", "Chunk", "Exclusive", "Claimed", "Written"]);
    const released = STAGES.filter(([, stage]) => isReleasable(stage)).map(([name]) => name);
    expect(released).toEqual(["Main", "Chunk", "Exclusive", "Claimed", "Written"]);
    expect(STAGES.filter(([, stage]) => isFilling(stage)).map(([name]) => name)).toEqual([
      ...["Whole", "FillRead", "FillWrite"],
    ]);
  });

  it("a chunk is claimed, or said to be written, only when it has been filled", () => {
    const leadTo = (to: Stage): string[] => STAGES.filter(([, from]) => follows(from, to)).map(([name]) => name);
    expect([leadTo(Stage.Claimed), leadTo(Stage.Written)]).toEqual([["Filled"], ["Filled"]]);
    expect(leadTo(Stage.Free)).toEqual(["Handler"]);
    expect(leadTo(Stage.FillWrite)).toEqual(["Handler", "Chunk", "FillRead"]);
  });
});

describe("a piece", () => {
  it("begins once", () => {
    const piece = begun();
    expect(() => piece.begin(OWNER, PieceKind.Read, 0, 512, -1)).toThrow("its stage does not lead");
  });

  it("does not go from a wait to the device without its handler", () => {
    const piece = begun();
    piece.moveTo(Stage.Main);
    expect(() => piece.moveTo(Stage.Device)).toThrow("its stage does not lead");
    piece.moveTo(Stage.Handler);
    piece.moveTo(Stage.Device);
    expect(piece.stage).toBe(Stage.Device);
  });

  it("goes on behind the bytes that are done, and no further than its end", () => {
    const piece = begun();
    piece.length = 1024;
    piece.goOn();
    expect([piece.offset, piece.length, piece.memory]).toEqual([9216, 3072, 66560]);
    expect(() => piece.goOn()).toThrow("beyond its end");
  });

  it("is not over while it is tracked, counted, in a gate or has a chunk", () => {
    const counted = begun();
    counted.longBytes = 1;
    expect(() => counted.over()).toThrow("still counts");
    const alone = begun();
    alone.announcement.grantExclusive();
    expect(() => alone.over()).toThrow("inside of a gate");
    const waiting = begun();
    waiting.transfer.beginSync(0);
    waiting.transfer.ask(0);
    expect(() => waiting.over()).toThrow("before its device operation");
  });
});

describe("a piece begins", () => {
  it("as its request says, with nothing of what had its record before", () => {
    const fresh = new Piece(0);
    expect([fresh.slot, fresh.noHole, fresh.memory, fresh.request]).toEqual([-1, false, -1, -1]);
    const piece = begun();
    expect([piece.request, piece.slot, piece.noHole, piece.durability]).toEqual([3, -1, false, Durability.WhenFlushed]);
    expect([piece.offset, piece.length, piece.end, piece.memory]).toEqual([8192, 4096, 12288, 65536]);
    piece.step = Step.PassDown;
    piece.claim.may = false;
    piece.transfer.error = 5;
    piece.over();
    expect([piece.request, piece.isFree]).toEqual([-1, true]);
    piece.begin({ index: 4, volume: { number: 0 }, slot: 2, durable: true, noHole: true }, PieceKind.Zero, 0, 512, -1);
    expect([piece.request, piece.slot, piece.noHole, piece.durability]).toEqual([4, 2, true, Durability.AtOnce]);
    expect([piece.step, piece.claim.may, piece.transfer.error]).toEqual([Step.First, true, 0]);
  });

  it("again at the bytes behind those that are done, with or without data, up to where it was cut", () => {
    for (const memory of [-1, 65536]) {
      const piece = new Piece(0);
      piece.begin(OWNER, PieceKind.Write, 8192, 4096, memory);
      expect(() => piece.goOn()).toThrow("beyond its end");
      piece.length = 1000;
      piece.step = Step.PassDown;
      piece.claim.may = false;
      piece.transfer.error = 5;
      piece.goOn();
      expect([piece.offset, piece.length, piece.end]).toEqual([9192, 3096, 12288]);
      expect(piece.memory).toBe(memory === -1 ? -1 : memory + 1000);
      expect([piece.step, piece.claim.may, piece.transfer.error]).toEqual([Step.First, true, 0]);
      piece.length = 96;
      piece.cutHere();
      expect(piece.end).toBe(9288);
      expect(() => piece.goOn()).toThrow("beyond its end");
      piece.length = 0;
      expect(() => piece.goOn()).toThrow("beyond its end");
    }
  });
});
