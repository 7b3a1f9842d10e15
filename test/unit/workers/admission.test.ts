/** Who is admitted, and the line of those who are not yet: when they try again, and when main hears of them. */
import { beforeEach, describe, expect, it } from "vitest";
import { MAX_HELD_BYTES_PER_CONNECTION, MAX_WHOLE_BYTES } from "../../../src/base/constants.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { newRequestFields } from "../../../src/nbd/wire/request.ts";
import { Verdict } from "../../../src/nbd/wire/validate.ts";
import { EXPORT_SLOTS } from "../../../src/ring/export-arena.ts";
import { Message } from "../../../src/ring/messages.ts";
import { SlotFit } from "../../../src/ring/slots.ts";
import { Admission } from "../../../workers/export/admission.ts";
import type { Connection } from "../../../workers/export/connection.ts";
import { newExport, type WorkerExport } from "../../../workers/export/exports.ts";
import { requestOwner } from "../../../workers/export/owned-slots.ts";
import type { Request } from "../../../workers/export/request.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { idleHandler } from "../../support/idle-handler.ts";

const MIB = 1024 * 1024;
/** Nobody is overdue. */
const LONG_MS = 1e9;

let bench: ExportBench;
let admission: Admission;
let target: WorkerExport;

beforeEach(() => {
  bench = new ExportBench();
  admission = new Admission(bench.context);
  target = newExport("x", 64 * MIB, false, 4096, idleHandler());
});

function admit(connection: Connection, type: number, length: number, offset = 0): Request | null {
  const fields = Object.assign(newRequestFields(), { type, offset, length });
  return admission.admit(connection, target, Verdict.Execute, fields);
}

/** A client that waits for what others have: there is no slot any more. */
function waits(): Connection {
  const { slots, connections } = bench.context;
  for (const { bytes } of EXPORT_SLOTS) while (slots.take(bytes, requestOwner(1000), SlotFit.Smallest) !== -1);
  const connection = connections[0]!;
  expect(admit(connection, Command.Read, 4096)).toBeNull();
  expect([connection.stalled, connection.waitsForOthers, connection.waitsIn]).toEqual([true, true, null]);
  return connection;
}

/** How often main has been told, since the last call, that somebody waits. */
function told(): number {
  bench.run();
  return bench.take(Message.Waiting).length;
}

/** Who parses again. */
function resumed(): number[] {
  const who: number[] = [];
  admission.resume((connection) => who.push(connection.index));
  return who;
}

it("zeroes of more than a payload may have are one request, whose bytes are all its own", () => {
  const request = admit(bench.context.connections[0]!, Command.WriteZeroes, 40 * MIB)!;
  expect([request.end, request.last, request.slot]).toEqual([40 * MIB, 40 * MIB, -1]);
});

it("a client holds so many bytes and no more, but for the first payload; whoever waits for himself is no case for main", () => {
  const [full, empty] = bench.context.connections;
  full!.heldBytes = MAX_HELD_BYTES_PER_CONNECTION - 4096;
  expect(admit(full!, Command.Read, 4096)).not.toBeNull();
  expect(full!.heldBytes).toBe(MAX_HELD_BYTES_PER_CONNECTION);
  expect(admit(full!, Command.Read, 512)).toBeNull();
  expect([full!.stalled, full!.waitsForOthers, told()]).toEqual([true, false, 0]);
  expect(admit(empty!, Command.Read, MAX_WHOLE_BYTES)).not.toBeNull();
});

it("zeroes get a slot where they have a part of a page", () => {
  const client = bench.context.connections[0]!;
  const hasSlot = (offset: number, length: number): boolean =>
    admit(client, Command.WriteZeroes, length, offset)!.slot !== -1;
  expect([hasSlot(4096, 4096), hasSlot(512, 3584), hasSlot(4096, 512), hasSlot(512, 512)]).toEqual([
    ...[false, true, true, true],
  ]);
});

it("who has something stands back for one who has nothing and waits for that size", () => {
  const connection = waits();
  const rich = bench.context.connections[1]!;
  rich.heldBytes = 512;
  const { slots } = bench.context;
  slots.give(0, requestOwner(1000));
  expect(admit(rich, Command.Read, 512)).toBeNull();
  expect([rich.waitsForOthers, slots.free(0), connection.stalled]).toEqual([false, 1, true]);
  admission.forget(rich);
  admission.forget(connection);
  expect(admit(rich, Command.Read, 512)).not.toBeNull();
});

it("who has most of what there is waits for others all the same where others have the rest", () => {
  const client = bench.context.connections[0]!;
  expect(admit(client, Command.Read, 512)).not.toBeNull();
  const { slots } = bench.context;
  for (const { bytes } of EXPORT_SLOTS) while (slots.take(bytes, requestOwner(1000), SlotFit.Smallest) !== -1);
  expect(admit(client, Command.Read, 512)).toBeNull();
  expect(client.waitsForOthers).toBe(true);
});

describe("where there is no record", () => {
  beforeEach(() => {
    while (bench.context.requests.take() !== null);
  });

  it.each([
    ["for others who has none, nor its export", 0, 0, true],
    ["for others who has less than half of what its export has", 4, 10, true],
    ["for himself who has half of it", 5, 10, false],
  ])("one waits %s", (_who, ofClient, ofExport, forOthers) => {
    const client = bench.context.connections[0]!;
    client.requests = ofClient;
    target.handler.share.requests = ofExport;
    expect(admit(client, Command.Flush, 0)).toBeNull();
    expect([client.stalled, client.waitsForOthers]).toEqual([true, forOthers]);
  });
});

describe("the line", () => {
  it("does not move where nothing has come back, and is not there where nobody waits", () => {
    bench.context.returned = true;
    expect(admission.canResume).toBe(false);
    waits();
    bench.context.returned = false;
    expect([admission.canResume, resumed()]).toEqual([false, []]);
    bench.context.returned = true;
    expect([admission.canResume, resumed(), bench.context.returned]).toEqual([true, [0], false]);
  });

  it("moves when one who stands in it goes: others may have stood back for him", () => {
    const connection = waits();
    bench.context.returned = false;
    admission.forget(connection);
    expect([connection.stalled, bench.context.returned]).toEqual([false, true]);
    bench.context.returned = false;
    admission.forget(connection);
    expect(bench.context.returned).toBe(false);
  });
});

describe("main", () => {
  it("is told once that somebody waits for others, and again where he still does", () => {
    waits();
    expect(admit(bench.context.connections[1]!, Command.Read, 4096)).toBeNull();
    expect(told()).toBe(1);
    expect([admission.stillWaiting(LONG_MS), told()]).toEqual([true, 1]);
  });

  it("is told anew of the next one when nobody has waited", () => {
    const connection = waits();
    expect(told()).toBe(1);
    admission.forget(connection);
    expect([admission.stillWaiting(LONG_MS), told()]).toEqual([false, 0]);
    expect(admit(connection, Command.Read, 4096)).toBeNull();
    expect(told()).toBe(1);
  });

  it("is not told of one who waits for himself, or ends", () => {
    const connection = waits();
    connection.ending = true;
    expect(admission.stillWaiting(LONG_MS)).toBe(false);
    connection.ending = false;
    connection.waitsForOthers = false;
    expect(admission.stillWaiting(LONG_MS)).toBe(false);
    connection.waitsForOthers = true;
    expect(admission.stillWaiting(LONG_MS)).toBe(true);
  });
});
