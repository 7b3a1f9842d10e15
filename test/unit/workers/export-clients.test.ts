/**
 * From a client's coming to its end, and to that of its volume: who is told to end, what is counted of those who are cut, and what the place has then.
 */
import { describe, expect, it, vi } from "vitest";
import { STILL_READS_MS, TRANSFER_MS } from "../../../src/base/constants.ts";
import { errno } from "../../../src/base/errno.ts";
import { FileKind } from "../../../src/device/port.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import { createExportCounters } from "../../../src/ring/counters.ts";
import { FIRST_CONNECTION_FILE } from "../../../src/ring/file-table.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { kindOf } from "../../../src/ring/message-field.ts";
import { CloseCause, Message, StopHow } from "../../../src/ring/messages.ts";
import { createVolumeWords } from "../../../src/ring/volume-words.ts";
import { cowFile } from "../../support/device-numbers.ts";
import { ExportBench } from "../../support/export-bench.ts";
import { ExportClient } from "../../support/export-client.ts";
import { FakeSocket } from "../../support/fake-socket.ts";
import { stopClock } from "../../support/stopped-clock.ts";

const MIB = 2 ** 20;
/** For one of the two largest slots. */
const LARGE = 7 * MIB;

const clock = stopClock();

/** [requests, clients] that were cut, of each volume that has said that it has stopped since the last call. */
function stopped(bench: ExportBench): number[][] {
  const said = bench.messages.filter((words) => kindOf(Int32Array.from(words), 0) === Message.VolumeStopped);
  bench.messages = bench.messages.filter((words) => !said.includes(words));
  return said.map((words) => words.slice(2, 4));
}

/** Another volume, with a device of zeroes. */
function addVolume(bench: ExportBench, number: number, name: string): void {
  const [fd, bytes] = [150 + number, 64 * 1024];
  bench.ring.devices.set(fd, new Uint8Array(bytes));
  const origin = { file: cowFile(100 + number), align: 1, inline: true };
  const volume = {
    ...{ number, name, words: createVolumeWords(), counters: createExportCounters(1), origin, originBytes: bytes },
    keepsTrims: true,
  };
  bench.control({ kind: "volume", volume, fd, readOnly: false });
}

/** A client, a read of whose is at a device that does not answer. */
function reading(bench: ExportBench, count = 1): ExportClient {
  bench.ring.held = ({ op }) => op === IoOp.Read || op === IoOp.Allocate;
  const client = bench.connect();
  for (let i = 0; i < count; i++) client.read(0, 512);
  bench.run();
  return client;
}

describe("a client that comes", () => {
  it("may have the number 0, and so may its socket, where the program has closed its own", () => {
    const bench = new ExportBench();
    const client = new ExportClient(0, new FakeSocket());
    bench.ring.sockets.set(0, client.socket);
    bench.send(Message.Adopt, 0, 0, 0);
    client.enter("");
    bench.run();
    client.skipHandshake();
    const read = client.read(0, 512);
    bench.run();
    expect(client.errors()).toEqual({ [read]: 0 });
  });

  it("is turned away where the address is that of a volume which has gone", () => {
    const bench = new ExportBench();
    bench.sendOf(1, Message.Adopt, 7, 1007, 0);
    bench.run();
    expect(bench.take(Message.ConnectionClosed).map(([, id, cause]) => [id, cause])).toEqual([[7, CloseCause.NoRoom]]);
  });

  it("by a volume's address is the volume's before it has said what it wants", () => {
    const bench = new ExportBench();
    const client = bench.accept();
    expect(bench.served.clients).toBe(1);
    bench.send(Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    expect([bench.closed(), stopped(bench), bench.served.clients]).toEqual([[client.id], [[0, 0]], 0]);
  });
});

describe("a client that goes", () => {
  it("leaves no file in the table", () => {
    const bench = new ExportBench();
    const setFile = vi.spyOn(bench.ring, "setFile");
    const client = bench.connect();
    client.disconnect();
    bench.run();
    expect(bench.closed()).toEqual([client.id]);
    expect(setFile.mock.lastCall).toEqual([FIRST_CONNECTION_FILE, -1, FileKind.Socket]);
  });

  it("before main has cut its handshake off is no client to cut", () => {
    const bench = new ExportBench();
    const [gone, stays] = [bench.accept(), bench.accept()];
    gone.socket.gone = true;
    bench.run();
    expect(bench.closed()).toEqual([gone.id]);
    bench.send(Message.CutHandshake, gone.id);
    bench.run();
    stays.enter("");
    bench.run();
    expect([bench.closed(), bench.tokens(Message.Entered)]).toEqual([[], [stays.id]]);
  });

  it("is asked about with all others, at most so often", () => {
    const bench = new ExportBench();
    const client = reading(bench);
    const asked = (): number => bench.ring.log.filter(({ op, length }) => op === IoOp.Send && length === 0).length;
    client.disconnect();
    clock.now += STILL_READS_MS - 1;
    bench.run();
    expect(asked()).toBe(0);
    clock.now += 1;
    bench.run();
    expect(asked()).toBe(1);
  });

  it("is asked where nothing more is received of it, and not with all others a moment later", () => {
    const bench = new ExportBench();
    const client = reading(bench);
    const asked = (): number => bench.ring.log.filter(({ op, length }) => op === IoOp.Send && length === 0).length;
    clock.now += STILL_READS_MS - 10;
    client.socket.ended = true;
    bench.run();
    expect(asked()).toBe(1);
    clock.now += 10;
    bench.run();
    expect(asked()).toBe(1);
    clock.now += STILL_READS_MS;
    bench.run();
    expect(asked()).toBe(2);
  });

  it("by being cut has said no goodbye: of what it had asked for nothing more begins", () => {
    const bench = new ExportBench({ originBytes: 16 * MIB });
    bench.ring.held = ({ op }) => op === IoOp.Allocate;
    const deaf = [bench.connect(), bench.connect()];
    for (const client of deaf) {
      client.socket.blocked = true;
      for (let i = 0; i < 2; i++) client.request(Command.WriteZeroes, i * 8 * MIB, 8 * MIB);
      client.read(0, LARGE);
    }
    bench.run();
    for (const client of deaf) client.disconnect();
    bench.run();
    bench.connect().read(0, LARGE);
    bench.run();
    const begun = bench.ring.underWay(IoOp.Allocate);
    clock.now += TRANSFER_MS + 1;
    bench.send(Message.Relieve, 0);
    bench.run();
    const causes = bench.take(Message.ConnectionClosed).map(([, id, cause]) => [id, cause]);
    expect(causes).toEqual(deaf.map(({ id }) => [id, CloseCause.Transfer]));
    bench.ring.held = () => false;
    bench.run();
    expect(bench.ring.log.filter(({ op }) => op === IoOp.Allocate)).toHaveLength(begun);
    expect([bench.context.requests.used(), bench.context.slots.used()]).toEqual([0, 0]);
  });
});

describe("a volume that stops", () => {
  it("counts of those who are cut the requests, and who had some", () => {
    const bench = new ExportBench();
    reading(bench, 3);
    bench.connect();
    bench.send(Message.StopVolume, 0, StopHow.Cut);
    bench.ring.held = () => false;
    bench.run();
    expect(stopped(bench)).toEqual([[3, 1]]);
  });

  it.each([
    ["drains", StopHow.Drain],
    ["has failed", StopHow.Abandon],
  ] as const)("and %s has cut nobody", (_, how) => {
    const bench = new ExportBench();
    reading(bench, 3);
    bench.send(Message.StopVolume, 0, how);
    bench.run();
    bench.ring.held = () => false;
    bench.run();
    expect(stopped(bench)).toEqual([[0, 0]]);
  });

  it("says so once, however often it is told", () => {
    const bench = new ExportBench();
    for (const how of [StopHow.Drain, StopHow.Cut]) {
      bench.send(Message.StopVolume, 0, how);
      bench.run();
    }
    bench.send(Message.Stop, 0, StopHow.Drain);
    bench.run();
    expect(stopped(bench)).toEqual([[0, 0]]);
  });

  it("leaves the empty name to the only other one", () => {
    const bench = new ExportBench();
    addVolume(bench, 1, "second");
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    const client = bench.connectAt("all", "");
    expect(bench.tokens(Message.Entered)).toEqual([client.id]);
  });

  it("and has failed answers what waits for its turn at once, not when the device does", () => {
    const bench = new ExportBench({ originBytes: 16 * MIB });
    bench.ring.held = ({ op }) => op === IoOp.Allocate;
    const client = bench.connect();
    const zeroes = [0, 8].map((at) => client.request(Command.WriteZeroes, at * MIB, 8 * MIB));
    bench.run();
    expect(client.errors()).toEqual({});
    bench.send(Message.StopVolume, 0, StopHow.Abandon);
    bench.run();
    expect(client.errors()).toEqual({ [zeroes[1]]: errno.EIO });
  });
});

describe("a worker that stops", () => {
  it.each([
    ["drains", StopHow.Drain],
    ["cuts", StopHow.Cut],
  ] as const)("and %s ends who has chosen no volume yet, and is over then", (_, how) => {
    const bench = new ExportBench();
    const clients = [bench.acceptAt("all"), bench.acceptAt("all")];
    bench.send(Message.Stop, 0, how);
    bench.run();
    expect([bench.closed(), bench.loop.ended]).toEqual([clients.map(({ id }) => id), true]);
    // The places that nobody has are as they were.
    expect(bench.context.connections.filter(({ ending, broken }) => ending || broken)).toEqual([]);
  });

  it("cancels each send that is under way once", () => {
    const bench = new ExportBench();
    const client = bench.connect();
    client.socket.blocked = true;
    client.read(0, 512);
    bench.run();
    bench.ring.log.length = 0;
    bench.send(Message.Stop, 0, StopHow.Cut);
    bench.run();
    // And the receive.
    expect(bench.ring.log.filter(({ op }) => op === IoOp.Cancel)).toHaveLength(2);
    expect(bench.loop.ended).toBe(true);
  });

  it("has no volume to stop where one has been forgotten", () => {
    const bench = new ExportBench();
    for (const number of [1, 2]) addVolume(bench, number, `v${number}`);
    bench.control({ kind: "forgetVolume", volume: 1 });
    bench.send(Message.Stop, 0, StopHow.Drain);
    bench.run();
    expect([stopped(bench).length, bench.loop.ended]).toEqual([2, true]);
  });
});
