/** Several volumes in one export worker: each has its exports, clients, gates and end, and none of them another's. */
import { ORIGIN_EXPORT } from "../../../src/base/constants.ts";
import { describe, expect, it } from "vitest";
import { ORIGIN_WRITE_GATE } from "../../../src/base/gate-numbers.ts";
import { errno } from "../../../src/base/errno.ts";
import { createExportCounters } from "../../../src/ring/counters.ts";
import { volumeOf } from "../../../src/ring/message-field.ts";
import { Message, StopHow } from "../../../src/ring/messages.ts";
import { createVolumeWords, VolumeWords } from "../../../src/ring/volume-words.ts";
import { IoOp } from "../../../src/ring/io-descriptor.ts";
import { AllExports, Exports, newExport } from "../../../workers/export/exports.ts";
import { dataPattern } from "../../support/data-pattern.ts";
import { cowFile } from "../../support/device-numbers.ts";
import { ExportBench } from "../../support/export-bench.ts";
import type { ExportClient } from "../../support/export-client.ts";
import { IDLE_HANDLER } from "../../support/idle-handler.ts";

const SIZE = 64 * 1024;
const SECOND_FD = 150;
const SECOND_FILE = cowFile(100);

/** Another volume beside the bench's own, which has number 0 and the name "volume". */
class Second {
  readonly bench: ExportBench;
  readonly origin = new Uint8Array(dataPattern(SIZE, 9));
  readonly words: VolumeWords;

  constructor(bench: ExportBench, number = 1, name = "second") {
    this.bench = bench;
    const words = createVolumeWords();
    this.words = new VolumeWords(words);
    bench.ring.devices.set(SECOND_FD, this.origin);
    const origin = { file: SECOND_FILE, align: 1, inline: true };
    const volume = {
      ...{ number, name, words, counters: createExportCounters(1), origin, originBytes: SIZE, keepsTrims: true },
    };
    bench.control({ kind: "volume", volume, fd: SECOND_FD, readOnly: false });
  }
}

function newBench(): { bench: ExportBench; second: Second; a: ExportClient; b: ExportClient } {
  const bench = new ExportBench({ originBytes: SIZE });
  const second = new Second(bench);
  const [a, b] = [bench.connectAt("all", "volume"), bench.connectAt("all", "second")];
  return { bench, second, a, b };
}

/** A client reads what this device has. */
function reads(bench: ExportBench, client: ExportClient, device: Uint8Array): boolean {
  const cookie = client.read(512, 1024);
  bench.run();
  const reply = client.replies().find((one) => one.cookie === cookie);
  return reply?.error === 0 && Buffer.compare(reply.data, device.subarray(512, 1536)) === 0;
}

it("each client reads and writes the volume that it has entered", () => {
  const { bench, second, a, b } = newBench();
  expect([reads(bench, a, bench.origin), reads(bench, b, second.origin)]).toEqual([true, true]);
  b.write(0, dataPattern(512, 77));
  bench.run();
  expect(second.origin.subarray(0, 512)).toEqual(new Uint8Array(dataPattern(512, 77)));
  expect(bench.origin.subarray(0, 512)).not.toEqual(second.origin.subarray(0, 512));
});

it("a gate that is closed holds back its own volume's writes, and its opening lets nobody else's go on", () => {
  const { bench, second, a, b } = newBench();
  for (const words of [bench.volume, second.words]) words.gate(ORIGIN_WRITE_GATE).close();
  const [first, other] = [a.write(0, dataPattern(512, 1)), b.write(0, dataPattern(512, 2))];
  bench.run();
  expect([a.errors(), b.errors()]).toEqual([{}, {}]);
  second.words.gate(ORIGIN_WRITE_GATE).open();
  bench.sendOf(1, Message.GateOpened, 0, ORIGIN_WRITE_GATE);
  bench.run();
  expect([a.errors(), b.errors()]).toEqual([{}, { [other]: 0 }]);
  bench.openGate(ORIGIN_WRITE_GATE);
  bench.run();
  expect(a.errors()).toEqual({ [first]: 0 });
});

it("what a worker says of a volume carries its number", () => {
  const { bench, second, b } = newBench();
  second.words.gate(ORIGIN_WRITE_GATE).close();
  bench.ring.held = () => true;
  bench.messages = [];
  second.words.gate(ORIGIN_WRITE_GATE).open();
  b.write(0, dataPattern(512, 2));
  bench.run();
  second.words.gate(ORIGIN_WRITE_GATE).close();
  bench.ring.held = () => false;
  bench.run();
  const drained = bench.messages.filter((message) => (message[0]! & 0xffff) === Message.GateDrained);
  expect(drained.map((message) => volumeOf(Int32Array.from(message), 0))).toEqual([1]);
});

describe("a volume that stops", () => {
  it("ends its own clients and says so, and the others go on", () => {
    const { bench, second, a, b } = newBench();
    bench.messages = [];
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    expect(bench.tokens(Message.ConnectionClosed)).toEqual([b.id]);
    const [stopped] = bench.messages.filter((message) => (message[0]! & 0xffff) === Message.VolumeStopped);
    expect([volumeOf(Int32Array.from(stopped!), 0), stopped!.slice(2, 4)]).toEqual([1, [0, 0]]);
    bench.control({ kind: "forgetVolume", volume: 1 });
    expect([bench.ring.files.has(SECOND_FILE), bench.context.volumes[1]]).toEqual([false, undefined]);
    expect(reads(bench, a, bench.origin)).toBe(true);
    // Its number, its name and its place in the file table are free again.
    const third = new Second(bench);
    expect(reads(bench, bench.connectAt("all", "second"), third.origin)).toBe(true);
    expect(second.origin).not.toBe(third.origin);
  });

  it("waits for what is under way, and is not over before (C-19)", () => {
    const { bench, b } = newBench();
    bench.ring.held = () => true;
    const cookie = b.read(0, 512);
    bench.run();
    bench.messages = [];
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    const stopped = (): number => bench.messages.filter((one) => (one[0]! & 0xffff) === Message.VolumeStopped).length;
    expect(stopped()).toBe(0);
    bench.ring.held = () => false;
    bench.run();
    expect([stopped(), b.errors()]).toEqual([1, { [cookie]: 0 }]);
  });

  it("says so behind its last client's end", () => {
    const { bench, b } = newBench();
    bench.messages = [];
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    const kinds = bench.messages.map((message) => message[0]! & 0xffff);
    expect(kinds.filter((kind) => kind === Message.ConnectionClosed || kind === Message.VolumeStopped)).toEqual([
      Message.ConnectionClosed,
      Message.VolumeStopped,
    ]);
    expect(bench.tokens(Message.ConnectionClosed)).toEqual([b.id]);
  });

  it("waits for what a client who has gone has left under way", () => {
    const { bench, b } = newBench();
    bench.ring.held = ({ op }) => op === IoOp.Read;
    b.read(0, 512);
    bench.run();
    b.socket.gone = true;
    bench.run();
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    const stopped = (): number => bench.messages.filter((one) => (one[0]! & 0xffff) === Message.VolumeStopped).length;
    expect([bench.tokens(Message.ConnectionClosed), stopped()]).toEqual([[b.id], 0]);
    bench.ring.held = () => false;
    bench.run();
    expect(stopped()).toBe(1);
  });

  it("and drains still hears main's answers: what waits for them goes on", () => {
    const { bench, second, b } = newBench();
    second.words.gate(ORIGIN_WRITE_GATE).close();
    const write = b.write(0, dataPattern(512, 2));
    bench.run();
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    second.words.gate(ORIGIN_WRITE_GATE).open();
    bench.sendOf(1, Message.GateOpened, 0, ORIGIN_WRITE_GATE);
    bench.run();
    expect(b.errors()).toEqual({ [write]: 0 });
  });

  it("ends who has chosen it and has not been told so yet", () => {
    const { bench } = newBench();
    const client = bench.acceptAt("all");
    client.socket.blocked = true;
    client.enter("second");
    bench.run();
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    bench.messages = [];
    client.socket.blocked = false;
    bench.run();
    expect(bench.tokens(Message.ConnectionClosed)).toEqual([client.id]);
  });

  it("is found by nobody any more when it is forgotten, with the devices of its snapshots; one that never came is forgotten, too", () => {
    const bench = new ExportBench({ originBytes: SIZE });
    new Second(bench);
    for (const index of [0, 1]) bench.addSnapshot(index);
    bench.control({ kind: "forgetVolume", volume: 5 });
    bench.control({ kind: "forgetVolume", volume: 1 });
    const client = bench.acceptAt("all");
    client.enter("second");
    bench.run();
    expect(bench.tokens(Message.ConnectionClosed)).toContain(client.id);
    const files = (): boolean[] => [0, 1].map((index) => bench.ring.files.has(cowFile(index)));
    expect(files()).toEqual([true, true]);
    bench.control({ kind: "forgetVolume", volume: 0 });
    expect(files()).toEqual([false, false]);
  });

  it("is not taken away from its clients", () => {
    const { bench } = newBench();
    expect(() => bench.control({ kind: "forgetVolume", volume: 1 })).toThrow("taken away from its clients");
  });

  it("that has failed fails what waits for main, of that volume only, and takes no answer any more", () => {
    const { bench, second, a, b } = newBench();
    for (const words of [bench.volume, second.words]) words.gate(ORIGIN_WRITE_GATE).close();
    const [waits, fails] = [a.write(0, dataPattern(512, 1)), b.write(0, dataPattern(512, 2))];
    bench.run();
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Abandon);
    bench.sendOf(1, Message.GateOpened, 0, ORIGIN_WRITE_GATE);
    bench.run();
    expect([a.errors(), b.errors()]).toEqual([{}, { [fails]: errno.EIO }]);
    bench.openGate(ORIGIN_WRITE_GATE);
    bench.run();
    expect(a.errors()).toEqual({ [waits]: 0 });
  });

  // It became the volume's client when it had been answered, after the worker had said that there was none: the end of one volume ended the thread.
  it("is not waited for by who has chosen it, and is not its client yet", () => {
    const { bench } = newBench();
    const client = bench.acceptAt("all");
    client.socket.blocked = true;
    client.enter("second");
    bench.run();
    bench.messages = [];
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    expect(bench.messages.filter((one) => (one[0]! & 0xffff) === Message.VolumeStopped)).toHaveLength(1);
    client.socket.blocked = false;
    bench.turn();
    bench.control({ kind: "forgetVolume", volume: 1 });
    bench.run();
    expect([bench.tokens(Message.ConnectionClosed).includes(client.id), bench.tokens(Message.Entered)]).toEqual([
      true,
      [],
    ]);
    const third = new Second(bench);
    expect(reads(bench, bench.connectAt("all", "second"), third.origin)).toBe(true);
  });

  it("is found by nobody who comes then", () => {
    const { bench } = newBench();
    const client = bench.acceptAt("all");
    bench.sendOf(1, Message.StopVolume, 0, StopHow.Drain);
    bench.run();
    client.enter("second");
    bench.run();
    expect(bench.tokens(Message.ConnectionClosed)).toContain(client.id);
  });
});

it("the exports of one volume are described as what they are", () => {
  expect(newExport(ORIGIN_EXPORT, 4096, false, 4096, IDLE_HANDLER).description).toBe("live volume");
  expect(newExport("monday", 4096, false, 4096, IDLE_HANDLER).description).toBe("snapshot");
});

describe("exports of all volumes", () => {
  function newExports(volume: string, ...snapshots: readonly string[]): Exports {
    const exports = new Exports(volume);
    for (const name of [ORIGIN_EXPORT, ...snapshots]) exports.add(newExport(name, 4096, false, 4096, IDLE_HANDLER));
    return exports;
  }

  it("are listed and found by the volume's name, and a snapshot's behind an @", () => {
    const all = new AllExports();
    all.add(newExports("a", "monday", "x@y"));
    all.add(newExports("b", "monday"));
    expect([...all.list()].map(({ name }) => name)).toEqual(["a", "a@monday", "a@x@y", "b", "b@monday"]);
    for (const name of ["a", "a@monday", "a@x@y", "b@monday"]) expect(all.find(name)?.name).toBe(name);
    for (const none of ["", "origin", "a@", "a@origin", "@monday", "c", "b@x@y", "monday"])
      expect(all.find(none), none).toBeUndefined();
    expect([all.find("a")?.description, all.find("a@monday")?.description]).toEqual(["live volume", "snapshot of a"]);
  });

  it("the empty name is the only volume there is, and a volume of another's name is not taken away with it", () => {
    const all = new AllExports();
    const [old, fresh] = [newExports("a"), newExports("a")];
    all.add(old);
    expect(all.find("")?.name).toBe("a");
    all.add(fresh);
    all.remove(old);
    expect(all.find("a")).toBeDefined();
    all.remove(fresh);
    expect([all.find("a"), all.find("")]).toEqual([undefined, undefined]);
  });
});
