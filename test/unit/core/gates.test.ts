import { expect, test } from "vitest";
import type { CoreContext } from "../../../src/core/context.ts";
import { GateSet, Gates } from "../../../src/core/gates.ts";
import { FakeGate } from "../../support/core/fake-ports.ts";

/** Gates by number, those of the set `gone` belonging to nobody any more; who was told that it is alone, or that it is not. */
function bench(): {
  readonly gates: Gates;
  readonly ports: FakeGate[];
  readonly gone: Set<number>;
  readonly told: string[];
} {
  const ports = Array.from({ length: 12 }, () => new FakeGate());
  const gone = new Set<number>();
  const told: string[] = [];
  const effects = {
    grantExclusive: (token: number, gate: number) => told.push(`alone ${token} ${gate}`),
    release: (token: number, error: number) => told.push(`release ${token} ${error}`),
  };
  const context = { effects, hasGate: (gate: number) => !gone.has(gate), gatePort: (gate: number) => ports[gate]! };
  return { gates: new Gates(context as unknown as CoreContext), ports, gone, told };
}

test("a gate that nobody asked for is held by nobody, and is not known to be empty", () => {
  const { gates } = bench();
  expect([gates.isHeldBy(1, {}), gates.isEmpty(1)]).toEqual([false, false]);
  expect(() => gates.leave(1, {})).toThrow("the gate is closed");
  expect(() => gates.exclusiveDone(5, 1)).toThrow("the write is alone");
  gates.verify();
});

test("the first of a queue holds the gate, once it has been empty; the next one has it at once (C-30)", () => {
  const { gates, ports } = bench();
  const [first, second] = [{}, {}];
  ports[1]!.count = 1;
  gates.enqueue(1, first);
  gates.enqueue(1, second);
  expect([gates.isHeldBy(1, first), gates.isEmpty(1), ports[1]!.closed]).toEqual([false, false, true]);
  ports[1]!.count = 0;
  expect([gates.isHeldBy(1, second), gates.isHeldBy(1, first), gates.isEmpty(1)]).toEqual([false, true, true]);
  // What enters a closed gate leaves at once: it stays as good as empty.
  ports[1]!.count = 1;
  gates.leave(1, first);
  expect([gates.isHeldBy(1, second), ports[1]!.closed]).toEqual([true, true]);
  gates.leave(1, second);
  expect([ports[1]!.closed, gates.isEmpty(1)]).toEqual([false, false]);
});

test("who waits may leave at any time, and only once", () => {
  const { gates, ports } = bench();
  const [first, second] = [{}, {}];
  ports[1]!.count = 1;
  gates.enqueue(1, first);
  gates.enqueue(1, second);
  expect(() => gates.enqueue(1, second)).toThrow("waits for a gate once");
  gates.leave(1, first);
  expect(() => gates.leave(1, first)).toThrow("in the queue");
  gates.verify();
  gates.leave(1, second);
  expect(ports[1]!.closed).toBe(false);
});

test("writes that must be alone are told one after the other, each once, when the gate is empty (C-38)", () => {
  const { gates, ports, gone, told } = bench();
  ports[4]!.count = 1;
  for (const token of [7, 8]) gates.needExclusive(token, 4);
  gates.advance();
  gates.verify();
  expect(told).toEqual([]);
  ports[4]!.count = 0;
  for (let i = 0; i < 2; i++) gates.advance();
  gates.verify();
  expect(told).toEqual(["alone 7 4"]);
  expect(() => gates.exclusiveDone(8, 4)).toThrow("the write is alone");
  gates.exclusiveDone(7, 4);
  expect(() => gates.exclusiveDone(8, 4)).toThrow("the write is alone");
  gates.advance();
  gates.exclusiveDone(8, 4);
  expect([told, ports[4]!.closed]).toEqual([["alone 7 4", "alone 8 4"], false]);
  gone.add(4);
  gates.needExclusive(9, 4);
  expect(told.at(-1)).toBe("release 9 5");
});

test("a walk finds a closed gate whose snapshot has gone", () => {
  const { gates, gone } = bench();
  gates.needExclusive(7, 4);
  gates.verify();
  gone.add(4);
  expect(() => gates.verify()).toThrow("a gate goes with its snapshot");
});

test("a set takes its gates in ascending order, one after the other, and gives all of them back (C-32)", () => {
  const { gates, ports } = bench();
  const set = new GateSet(gates, [10, 2, 9]);
  const closed = (): readonly number[] => ports.flatMap((port, number) => (port.closed ? [number] : []));
  for (const port of ports) port.count = 1;
  expect([set.acquire(), closed()]).toEqual([false, [2]]);
  ports[2]!.count = 0;
  expect([set.acquire(), closed()]).toEqual([false, [2, 9]]);
  for (const port of ports) port.count = 0;
  expect([set.acquire(), closed()]).toEqual([true, [2, 9, 10]]);
  expect(set.acquire()).toBe(true);
  set.release();
  expect(closed()).toEqual([]);
  expect(() => new GateSet(gates, [3, 3])).toThrow("each gate once");
});
