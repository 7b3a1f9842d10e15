/** An export worker's loop: whose a completion or a message is, what is heard of main no more, and when the worker is woken. */
import { describe, expect, it } from "vitest";
import { ORIGIN_WRITE_GATE } from "../../../src/base/gate-numbers.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { User } from "../../../workers/export/user-words.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { ExportBench } from "../../support/export-bench.ts";

const EIO = 5;
/** Of no volume that the worker serves. */
const GONE = 5;

/** A completion as the ring tells it. */
function complete(bench: ExportBench, user: number, result: number): void {
  bench.ring.completions.set([user, result]);
  bench.loop.step(1);
}

describe("a completion", () => {
  it("of the wake-up is waited for again", () => {
    const bench = new ExportBench();
    const { submissions } = bench.context;
    expect(submissions.take()).toBe(0);
    complete(bench, User.Wake, 8);
    expect([submissions.take(), bench.ring.submissions[0]! & 255]).toEqual([1, IoOp.EventRead]);
  });

  it("of nobody ends the worker", () => {
    const bench = new ExportBench();
    expect(() => complete(bench, 99 * User.Piece, 0)).toThrow("a completion of nobody");
  });
});

describe("a message of main's", () => {
  it("that is none ends the worker", () => {
    const bench = new ExportBench();
    bench.send(9999, 0);
    expect(() => bench.run()).toThrow("unknown message 9999 from main");
  });

  it.each([
    ["Released", [0, 0]],
    ["Granted", [0, 0, 0, 0, 0, 0, 1]],
    ["ExclusiveGranted", [0, ORIGIN_WRITE_GATE]],
    ["GateOpened", [0, ORIGIN_WRITE_GATE]],
  ] as const)("%s, is no answer any more where its volume has failed, or has gone", (kind, [token, ...rest]) => {
    // It was on its way when the worker was told; the piece that waited for it has failed by then, and may be another's.
    const bench = new ExportBench();
    bench.publish(bench.addSnapshot(), 0, 3);
    const client = bench.connect();
    const write = client.write(0, dataPattern(512, 2));
    bench.run();
    expect(bench.tokens(Message.NeedOrigin)).toEqual([token]);
    bench.send(Message.StopVolume, 0, StopHow.Abandon);
    bench.send(Message[kind], token, ...rest);
    bench.sendOf(GONE, Message[kind], token, ...rest);
    bench.run();
    expect(client.errors()).toEqual({ [write]: EIO });
  });

  it("Reserved, is nobody's where there is no such volume, no such snapshot, or it keeps no chunks in reserve", () => {
    const bench = new ExportBench({ reserves: false });
    bench.addSnapshot();
    for (const [volume, snapshot] of [
      [GONE, 0],
      [0, 1],
      [0, 0],
    ] as const)
      bench.sendOf(volume, Message.Reserved, 0, snapshot, 9, 0, 4);
    bench.run();
    const client = bench.connect("s0");
    client.request(Command.WriteZeroes, 0, 16384);
    bench.run();
    expect(bench.tokens(Message.NeedChunk)).toHaveLength(1);
  });
});

it("is woken for a message when it sleeps, and not while it is awake", () => {
  const bench = new ExportBench();
  bench.send(Message.Relieve, 0);
  bench.run();
  expect(bench.woken).toBe(0);
  expect(bench.loop.prepareSleep()).toBe(true);
  bench.send(Message.Relieve, 0);
  expect(bench.woken).toBe(1);
});
