/**
 * The record of a request: what it begins with, and when it may end.
 */
import { requestHeader } from "../../support/request-header.ts";
import { describe, expect, it } from "vitest";
import { Operation, Request } from "../../../workers/export/request.ts";
import { IDLE_HANDLER } from "../../support/idle-handler.ts";

const HEADER = { ...requestHeader(4096, 512, 7), cookieHigh: 8 };

function begun(operation: Operation = Operation.Write): Request {
  const request = new Request(3);
  request.begin(1, IDLE_HANDLER, operation, HEADER, 0);
  return request;
}

describe("a request", () => {
  it("that nobody has had yet holds nothing, and waits nowhere", () => {
    const { connection, memory, slot, durable, noHole, starved, deferred, finishing } = new Request(0);
    expect([connection, memory, slot]).toEqual([-1, -1, -1]);
    expect([durable, noHole, starved, deferred, finishing]).toEqual([false, false, false, false, false]);
  });

  it("is all of its header's bytes, none of them begun, and holds nothing", () => {
    const request = begun();
    const { offset, cursor, end, first, last, memory, slot, pieces, error, next } = request;
    expect([offset, cursor, end, first, last]).toEqual([4096, 4096, 4608, 4096, 4608]);
    expect([memory, slot, pieces, error, next]).toEqual([-1, -1, 0, 0, null]);
    expect([request.cookieLow, request.cookieHigh, request.connection, request.index]).toEqual([7, 8, 1, 3]);
  });

  it("takes nothing over from the one that had its record before", () => {
    const request = begun();
    request.durable = true;
    request.noHole = true;
    request.finishing = true;
    request.hold(5, 512, 65536);
    request.slot = -1;
    request.over();
    expect([request.handler, request.next]).toEqual([null, null]);
    request.begin(2, IDLE_HANDLER, Operation.Zero, HEADER, 22);
    const { durable, noHole, finishing, memory, slotBytes, error } = request;
    expect([durable, noHole, finishing, memory, slotBytes, error]).toEqual([false, false, false, -1, 0, 22]);
  });

  it("carries bytes where it reads or writes", () => {
    const carry = Object.values(Operation).filter((operation) => begun(operation).hasPayload);
    expect(carry).toEqual([Operation.Read, Operation.Write]);
  });

  it("has one client and one slot, and ends once", () => {
    const request = begun();
    expect(() => request.begin(2, IDLE_HANDLER, Operation.Read, HEADER, 0)).toThrow("two clients");
    request.hold(0, 512, 65536);
    expect([request.slot, request.slotBytes, request.memory]).toEqual([0, 512, 65536]);
    expect(() => request.hold(1, 512, 131072)).toThrow("a slot already");
    expect(() => request.over()).toThrow("ended with a slot");
    request.slot = -1;
    request.over();
    expect(() => request.over()).toThrow("ended twice");
  });

  it("does not end before its pieces, nor out of a list of those who wait", () => {
    const request = begun();
    request.pieces = 1;
    expect(() => request.over()).toThrow("before its pieces");
    request.pieces = 0;
    request.starved = true;
    expect(() => request.over()).toThrow("those who wait");
    request.starved = false;
    request.deferred = true;
    expect(() => request.over()).toThrow("those who wait");
  });
});
