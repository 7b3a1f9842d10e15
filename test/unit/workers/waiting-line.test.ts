/**
 * The line of connections that wait for room: who has his turn first, and for whom a slot is kept.
 */
import { describe, expect, it } from "vitest";
import { Connection } from "../../../workers/export/connection.ts";
import { ExportShare } from "../../../workers/export/export-share.ts";
import { NO_SIZE_CLASS, WaitingLine } from "../../../workers/export/waiting-line.ts";

interface Client {
  readonly held?: number;
  readonly hasRead?: boolean;
}

function client(index: number, { held = 0, hasRead = false }: Client = {}): Connection {
  const connection = new Connection(index, 0);
  connection.heldBytes = held;
  connection.hasRead = hasRead;
  return connection;
}

/** Who tries, in which order, by number. */
function resumed(line: WaitingLine, parse: (connection: Connection) => void = () => {}): number[] {
  const order: number[] = [];
  line.resume((connection) => {
    order.push(connection.index);
    parse(connection);
  });
  return order;
}

describe("a line", () => {
  it("begins with those who have nothing and have read a reply, then those who have nothing, each in the order of arrival", () => {
    const line = new WaitingLine(2);
    const have = [{ held: 1 }, {}, { hasRead: true }, { held: 1, hasRead: true }, {}, { hasRead: true }];
    have.forEach((one, i) => line.add(client(i, one), 0));
    expect(line.length).toBe(6);
    expect(resumed(line)).toEqual([2, 5, 1, 4, 0, 3]);
    expect(line.length).toBe(0);
  });

  it("has whoever finds nothing again, behind the others, once", () => {
    const line = new WaitingLine(2);
    const [first, second] = [client(0), client(1)];
    line.add(first, 1);
    line.add(second, 1);
    expect(() => line.add(first, 1)).toThrow("twice");
    expect(resumed(line, (connection) => connection.index === 0 && line.add(connection, 1))).toEqual([0, 1]);
    expect([first.stalled, second.stalled, line.length]).toEqual([true, false, 1]);
    expect(resumed(line)).toEqual([0]);
  });

  it("is left once, by one who stands in it", () => {
    const line = new WaitingLine(2);
    const [first, second] = [client(0), client(1)];
    line.add(first, 0);
    line.add(second, 0);
    second.waitsForOthers = true;
    line.remove(second);
    expect([second.stalled, second.waitsForOthers, second.waitsFor]).toEqual([false, false, NO_SIZE_CLASS]);
    expect(() => line.remove(second)).toThrow("does not stand");
    expect([first.stalled, line.length]).toEqual([true, 1]);
    expect([line.some(({ index }) => index === 0), line.some(({ index }) => index === 1)]).toEqual([true, false]);
  });
});

describe("a slot of a size is kept", () => {
  it("from those who have one, while somebody who has none waits for that size", () => {
    const line = new WaitingLine(2);
    const waits = client(0);
    const [rich, poor] = [client(1, { held: 512 }), client(2)];
    expect(line.isFor(rich, 1)).toBe(false);
    line.add(waits, 1);
    expect(waits.waitsFor).toBe(1);
    expect([line.isFor(rich, 1), line.isFor(rich, 0), line.isFor(poor, 1)]).toEqual([true, false, false]);
    line.remove(waits);
    expect(line.isFor(rich, 1)).toBe(false);
  });

  it("not for one who has something, or waits for no slot", () => {
    const line = new WaitingLine(2);
    const rich = client(1, { held: 512 });
    const waits = [client(2, { held: 1 }), client(3)];
    line.add(waits[0]!, 1);
    line.add(waits[1]!, NO_SIZE_CLASS);
    expect(waits.map(({ waitsFor }) => waitsFor)).toEqual([NO_SIZE_CLASS, NO_SIZE_CLASS]);
    expect([line.isFor(rich, 0), line.isFor(rich, 1)]).toEqual([false, false]);
    expect(resumed(line)).toEqual([3, 2]);
  });

  it("in one export alone, where it is that one that has too many of them", () => {
    const line = new WaitingLine(2);
    const [its, another] = [new ExportShare(), new ExportShare()];
    const rich = client(1, { held: 512 });
    const waits = client(2);
    line.add(waits, 1, its);
    expect([line.isFor(rich, 1, its), line.isFor(rich, 0, its)]).toEqual([true, false]);
    expect([line.isFor(rich, 1, another), line.isFor(rich, 1)]).toEqual([false, false]);
    line.remove(waits);
    expect([line.isFor(rich, 1, its), its.waiting[1]]).toEqual([false, 0]);
  });

  it("for each of those who wait for it, until the last has gone", () => {
    const line = new WaitingLine(1);
    const rich = client(1, { held: 512 });
    const waits = [client(2), client(3)];
    for (const one of waits) line.add(one, 0);
    line.remove(waits[0]!);
    expect(line.isFor(rich, 0)).toBe(true);
    line.remove(waits[1]!);
    line.add(client(4), NO_SIZE_CLASS);
    expect(line.isFor(rich, 0)).toBe(false);
  });
});
