import { expect, it } from "vitest";
import { Gate, type GateBlock, gateBlockWords, GatePass } from "../../../src/ring/gate.ts";

function newBlock(count: number): GateBlock {
  return { words: new Int32Array(new SharedArrayBuffer(gateBlockWords(count) * 4)), at: 0, count };
}

function newGate(): { gate: Gate; a: GatePass; b: GatePass } {
  const block = newBlock(1);
  return { gate: new Gate(block, 0), a: new GatePass(block, 0, 0), b: new GatePass(block, 0, 15) };
}

it("counts the announced requests of all workers (C-10, inO[w])", () => {
  const { gate, a, b } = newGate();
  expect([a.enter(), b.enter(), a.enter()]).toEqual([true, true, true]);
  expect(gate.inFlight()).toBe(3);
  a.leave();
  expect(gate.inFlight()).toBe(2);
});

it("lets nobody in while it is closed, and keeps no announcement of those it sent away (C-10.2)", () => {
  const { gate, a } = newGate();
  gate.close();
  expect(a.enter()).toBe(false);
  a.leave();
  expect(gate.inFlight()).toBe(0);
  gate.open();
  expect(a.enter()).toBe(true);
});

it("the last one out of a closed gate has to tell main (C-30.2)", () => {
  const { gate, a } = newGate();
  a.enter();
  a.enter();
  gate.close();
  expect(a.leave()).toBe(false);
  expect(a.leave()).toBe(true);
});

it("nobody tells main about an open gate", () => {
  const { a } = newGate();
  a.enter();
  expect(a.leave()).toBe(false);
});

it("says whether it is closed, and a gate beside it is another one", () => {
  const block = newBlock(2);
  const [first, second] = [new Gate(block, 0), new Gate(block, 1)];
  for (let worker = 0; worker < 16; worker++) {
    new GatePass(block, 0, worker).enter();
    expect(first.inFlight()).toBe(worker + 1);
  }
  first.close();
  expect([first.isClosed, second.isClosed, second.inFlight()]).toEqual([true, false, 0]);
  first.open();
  expect(first.isClosed).toBe(false);
});

it("a worker that has left a closed gate says so again each time that it was empty", () => {
  const { gate, a } = newGate();
  gate.close();
  expect([a.enter(), a.leave(), a.enter(), a.leave()]).toEqual([false, true, false, true]);
});
