/**
 * The judges of `npm run living` see what they are there for: a write that is missing, one that cannot be there, and members of a group that are not of one moment.
 */
import { describe, expect, test } from "vitest";
import { ChainRecording } from "../../living/chain.ts";
import { judgeEvents } from "../../living/event-judge.ts";
import { ExportModel } from "../../living/export-model.ts";
import { sectorBytes } from "../../soak/sector-model.ts";

const SECTORS = 64;

function written(model: ExportModel, first: number, version: number): void {
  const write = model.begins(first, 1, version);
  model.sectors.fill(first, 1, version);
  model.ends(write, false);
}

describe("the model of an export", () => {
  test("a snapshot has what was answered before it, and not what was begun after it; what was under way may be there or not", () => {
    const origin = new ExportModel(SECTORS, { losesUnflushed: false });
    written(origin, 0, 5);
    const underWay = origin.begins(1, 1, 6);
    const recording = origin.record();
    written(origin, 2, 7);
    origin.endRecording();
    origin.sectors.fill(1, 1, 6);
    origin.ends(underWay, false);
    const made = (): ExportModel => new ExportModel(SECTORS, { from: origin, recording, losesUnflushed: true });
    for (const [sector, version, isRight] of [
      [0, 5, true],
      [0, 0, false],
      [1, 0, true],
      [1, 6, true],
      [1, 5, false],
      [2, 7, true],
      [2, 0, true],
      [3, 9, false],
    ] as const) {
      const read = (): void => made().read(sector, sectorBytes(sector, 1, version), "it");
      if (isRight) expect(read).not.toThrow();
      else expect(read).toThrow(/it: sector/);
    }
  });

  test("what a read has told once is told again", () => {
    const origin = new ExportModel(SECTORS, { losesUnflushed: false });
    origin.begins(1, 1, 6);
    origin.killed();
    origin.read(1, sectorBytes(1, 1, 6), "it");
    expect(() => origin.read(1, sectorBytes(1, 1, 0), "it")).toThrow(/sector 1/);
  });

  test("a kill takes from a snapshot what nobody had flushed, and from a volume nothing that was answered", () => {
    const [volume, snapshot] = [false, true].map((losesUnflushed) => new ExportModel(SECTORS, { losesUnflushed }));
    for (const model of [volume, snapshot]) {
      written(model, 0, 5);
      model.flushing()();
      written(model, 0, 6);
      written(model, 1, 7);
      model.killed();
    }
    expect(() => volume.read(0, sectorBytes(0, 1, 5), "it")).toThrow(/sector 0/);
    snapshot.read(0, sectorBytes(0, 1, 5), "it");
    snapshot.read(1, sectorBytes(1, 1, 0), "it");
    written(snapshot, 2, 8);
    snapshot.flushing()();
    snapshot.killed();
    expect(() => snapshot.read(2, sectorBytes(2, 1, 0), "it")).toThrow(/sector 2/);
  });

  test("where a merge was cancelled each sector is the one or the other", () => {
    const origin = new ExportModel(SECTORS, { losesUnflushed: false });
    written(origin, 0, 5);
    const before = origin.sectors.versions.slice();
    written(origin, 0, 6);
    origin.mayAlsoBe(before);
    expect(() => origin.read(0, sectorBytes(0, 1, 7), "it")).toThrow(/sector 0/);
    origin.read(0, sectorBytes(0, 1, 5), "it");
  });
});

describe("the writer from volume to volume", () => {
  const model = (): ExportModel => new ExportModel(1024, { losesUnflushed: false });

  test.each([
    [[], true],
    [[1], true],
    [[1, 2], true],
    [[2], false],
    [[1, 2, 3], true],
    [[1, 3], false],
  ] as const)("of three writes in a row, those %j in a group are one moment: %s", (there, isRight) => {
    const places = ["a", "b"].map((name) => ({ name, origin: model() }));
    const recording = new ChainRecording(places);
    const links = [1, 2, 3].map((version) => ({ place: places[version % 2], sector: 8 * version, version }));
    for (const link of links) recording.begun(link);
    const found = new Map(places.map(({ name }) => [name, model()] as const));
    for (const { place, sector, version } of links)
      if (there.some((one) => one === version)) found.get(place.name)?.sectors.fill(sector, 1, version);
    if (isRight) expect(() => recording.judge(found)).not.toThrow();
    else expect(() => recording.judge(found)).toThrow(/no moment/);
  });

  test("what was cut and is not there was never written", () => {
    const place = { name: "a", origin: model() };
    const recording = new ChainRecording([place]);
    const [cut, next] = [5, 6].map((version) => ({ place, sector: 8 * version, version }));
    recording.begun(cut);
    recording.neverWas(cut);
    recording.begun(next);
    const found = model();
    found.sectors.fill(next.sector, 1, next.version);
    expect(() => recording.judge(new Map([["a", found]]))).not.toThrow();
  });
});

describe("the judge of events", () => {
  const event = (id: number, type: string, operation: string): Parameters<typeof judgeEvents>[0][number] => ({
    ...{ id, type, time: "" },
    data: { operation },
  });

  test("an operation begins once and ends once", () => {
    const [begun, ended] = [event(1, "operation-started", "op-1"), event(2, "operation-ended", "op-1")];
    expect(() => judgeEvents([begun, ended])).not.toThrow();
    expect(() => judgeEvents([begun, ended, { ...ended, id: 3 }])).toThrow(/told twice/);
    expect(() => judgeEvents([ended])).toThrow(/and no operation-started/);
    expect(() => judgeEvents([begun])).toThrow(/and not its end/);
  });
});
