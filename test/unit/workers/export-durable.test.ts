/**
 * Flushes and FUA on a snapshot: what must be durable.
 */
import { describe, expect, it } from "vitest";
import { SnapshotState } from "../../../src/base/states.ts";
import { Command, CommandFlag } from "../../../src/nbd/wire/protocol.ts";
import { IoArg, IoOp } from "../../../src/ring/io-descriptor.ts";
import { Message } from "../../../src/ring/messages.ts";
import { cowFile } from "../../support/device-numbers.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { dataPattern } from "../../support/data-pattern.ts";

const CHUNK = 16384;
const EIO = 5;

/** [file, position, length] of the operations of a kind, in order. */
function operations(bench: ExportBench, op: number): number[][] {
  return bench.ring.log.filter((o) => o.op === op).map((o) => [o.file, o.position, o.length]);
}

describe("what must be durable", () => {
  it("a flush asks main for what is visible and not durable, then flushes the device (C-13)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    snapshot.words.setVisible(7);
    snapshot.words.setDurable(6);
    const flush = client.request(Command.Flush, 0, 0);
    bench.run();
    const [need] = bench.take(Message.NeedDurable);
    expect(need.slice(2, 4)).toEqual([0, 7]);
    expect(operations(bench, IoOp.Sync)).toEqual([]);
    snapshot.words.setDurable(7);
    bench.release(need[1]);
    bench.run();
    expect(operations(bench, IoOp.Sync)).toEqual([[cowFile(0), 0, 0]]);
    expect(client.errors()).toEqual({ [flush]: 0 });
  });

  it("a flush asks once: what has become visible meanwhile is another's", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    snapshot.words.setVisible(7);
    const flush = client.request(Command.Flush, 0, 0);
    bench.run();
    snapshot.words.setDurable(7);
    snapshot.words.setVisible(8);
    bench.release(bench.tokens(Message.NeedDurable)[0]);
    bench.run();
    expect([client.errors(), bench.tokens(Message.NeedDurable)]).toEqual([{ [flush]: 0 }, []]);
  });

  it("a flush of a snapshot that has turned invalid meanwhile fails (C-13)", () => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    const client = bench.connect("s0");
    bench.ring.held = (o) => o.op === IoOp.Sync;
    const flush = client.request(Command.Flush, 0, 0);
    bench.run();
    snapshot.words.setState(SnapshotState.Invalid);
    bench.ring.held = () => false;
    bench.run();
    expect(client.errors()).toEqual({ [flush]: EIO });
  });

  it.each([
    ["write", Command.Write, 512],
    ["write of zeroes", Command.WriteZeroes, 512],
    ["write of whole zero pages", Command.WriteZeroes, 8192],
  ])("a %s with FUA is durable on the device, and so is its exception (C-14)", (_, command, length) => {
    const bench = new ExportBench();
    const snapshot = bench.addSnapshot();
    bench.publish(snapshot, 0, 3);
    snapshot.words.setVisible(1);
    const client = bench.connect("s0");
    const payload = command === Command.Write ? dataPattern(length, 3) : new Uint8Array(0);
    const write = client.request(command, 4096, length, CommandFlag.Fua, payload);
    bench.run();
    const written = bench.ring.log.filter((o) => o.op === IoOp.Write || o.op === IoOp.Allocate);
    expect(written.map((o) => [o.op, o.argument])).toEqual([[IoOp.Write, IoArg.Dsync]]);
    expect(client.replies()).toEqual([]);
    const [token] = bench.tokens(Message.NeedDurable);
    snapshot.words.setDurable(1);
    bench.release(token);
    bench.run();
    expect(client.errors()).toEqual({ [write]: 0 });
    // No flush, for which everything else that the device has would be waited.
    expect(operations(bench, IoOp.Sync)).toEqual([]);
  });

  it("a trim with FUA ends with a flush", () => {
    const bench = new ExportBench();
    bench.publish(bench.addSnapshot(0, { zeroes: true }), 0, 3);
    const client = bench.connect("s0");
    const trim = client.request(Command.Trim, 0, CHUNK, CommandFlag.Fua);
    bench.run();
    expect(operations(bench, IoOp.Sync)).toEqual([[cowFile(0), 0, 0]]);
    expect(client.errors()).toEqual({ [trim]: 0 });
  });
});
