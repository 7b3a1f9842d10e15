/** Main's turn: every message comes to the volume that it names, and what is of no volume to the engine. */
import { describe, expect, it } from "vitest";
import { errno } from "../../../src/base/errno.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import type { MetadataSender } from "../../../src/engine/metadata-sender.ts";
import { type Station, Switchboard } from "../../../src/engine/switchboard.ts";
import { kindOf, tokenOf, volumeOf } from "../../../src/ring/message-field.ts";
import { CloseCause, Message } from "../../../src/ring/messages.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../../src/ring/spsc-ring.ts";
import { Released } from "../../../src/ring/to-workers.ts";
import { sendWordsOf } from "../../support/raw-message.ts";

/** The worker's end of a channel, and main's. */
class FakeChannel {
  readonly role = "export";
  readonly index: number;
  readonly inbox: RingConsumer;
  readonly outbox: Outbox;
  readonly worker: Outbox;
  readonly answers: RingConsumer;
  dead = false;
  isClosed = false;
  stopped = 0;
  readonly taken: number[] = [];

  constructor(index: number) {
    this.index = index;
    const [toMain, toWorker] = [createRing(64), createRing(64)];
    this.inbox = new RingConsumer(toMain);
    this.worker = new Outbox(toMain, () => {});
    this.outbox = new Outbox(toWorker, () => {});
    this.answers = new RingConsumer(toWorker);
  }

  hasStopped(): void {
    this.stopped += 1;
  }

  controlTaken(error: number): void {
    this.taken.push(error);
  }

  say(kind: number, volume: number, token: number, ...words: readonly number[]): void {
    sendWordsOf(this.worker, kind, volume, token, ...words);
    this.worker.flush();
  }
}

class Volume implements Station {
  readonly heard: [worker: number, kind: number, token: number][] = [];
  turns = 0;
  told = 0;
  whenTurned: () => void = () => {};

  message(channel: Channel, kind: number, words: Int32Array, at: number): void {
    this.heard.push([channel.index, kind, tokenOf(words, at)]);
  }

  turn(): void {
    this.turns += 1;
    this.whenTurned();
  }

  afterTurn(): void {
    this.told += 1;
  }
}

function newBench(): {
  readonly board: Switchboard;
  readonly channels: readonly FakeChannel[];
  readonly news: unknown[][];
  readonly jobs: [token: number, error: number][];
} {
  const channels = [new FakeChannel(0), new FakeChannel(1)];
  const news: unknown[][] = [];
  const jobs: [number, number][] = [];
  const board = new Switchboard({
    connectionClosed: (...of) => news.push(["closed", ...of]),
    entered: (...of) => news.push(["entered", ...of]),
    waiting: ({ index }) => news.push(["waiting", index]),
    failed: (error) => news.push(["failed", (error as Error).message]),
  });
  const sender = { done: (token: number, error: number) => jobs.push([token, error]) } as unknown as MetadataSender;
  const all = channels as unknown as readonly Channel[];
  board.connect({ all }, new Map([[all[1]!, sender]]));
  return { board, channels, news, jobs };
}

describe("a message of a volume", () => {
  it("comes to that volume, in the order of its worker, and the volume has its turn once", () => {
    const { board, channels } = newBench();
    const [a, b] = [new Volume(), new Volume()];
    board.join(3, a);
    board.join(4, b);
    channels[0]!.say(Message.NeedOrigin, 3, 10);
    channels[0]!.say(Message.NeedChunk, 4, 11);
    channels[0]!.say(Message.Drained, 3, 0);
    channels[1]!.say(Message.Claim, 3, 12);
    board.turn();
    expect(a.heard).toEqual([
      [0, Message.NeedOrigin, 10],
      [0, Message.Drained, 0],
      [1, Message.Claim, 12],
    ]);
    expect(b.heard).toEqual([[0, Message.NeedChunk, 11]]);
    expect([a.turns, a.told, b.turns, b.told]).toEqual([1, 1, 1, 1]);
    channels[1]!.say(Message.VolumeStopped, 4, 0);
    board.turn();
    expect([a.turns, b.turns, b.heard.length]).toEqual([1, 2, 2]);
  });

  it.each([
    "NeedOrigin",
    "NeedChunk",
    "NeedDurable",
    "NeedRange",
    "NeedExclusive",
    "Written",
    "Claim",
    "ClaimOrigin",
  ] as const)("%s for one that has gone is answered, for a piece waits (C-19)", (kind) => {
    const { board, channels, news } = newBench();
    board.join(2, new Volume());
    board.leave(2);
    channels[1]!.say(Message[kind], 2, 77);
    board.turn();
    const { answers } = channels[1]!;
    const at = answers.peek();
    const { words } = answers;
    expect([kindOf(words, at), volumeOf(words, at), tokenOf(words, at)]).toEqual([Message.Released, 2, 77]);
    expect(Released.error.get(words, at)).toBe(errno.ESHUTDOWN);
    expect(news).toEqual([]);
  });

  it.each(["Drained", "GateDrained", "ExclusiveDone", "NeedReserve", "Copied", "VolumeStopped"] as const)(
    "%s for one that has gone means nothing any more",
    (kind) => {
      const { board, channels, news } = newBench();
      channels[0]!.say(Message[kind], 9, 5);
      board.turn();
      expect([channels[0]!.answers.peek(), news]).toEqual([-1, []]);
    },
  );
});

it("what is of no volume goes to the engine", () => {
  const { board, channels, news, jobs } = newBench();
  channels[0]!.say(Message.ConnectionClosed, 0, 5, CloseCause.Transfer);
  channels[0]!.say(Message.Entered, 7, 6, 3);
  channels[1]!.say(Message.Waiting, 0, 0);
  channels[1]!.say(Message.ControlTaken, 0, 0, 0, 24);
  channels[1]!.say(Message.MetadataDone, 7, 31, 5);
  board.turn();
  expect(news).toEqual([
    ["closed", 5, CloseCause.Transfer],
    ["entered", 6, 7, 3],
    ["waiting", 1],
  ]);
  expect([channels[1]!.taken, jobs]).toEqual([[24], [[31, 5]]]);
});

it("a message that nobody knows ends everything, and then only ends are heard", () => {
  const { board, channels, news } = newBench();
  const volume = new Volume();
  board.join(0, volume);
  channels[0]!.say(99, 0, 0);
  board.turn();
  expect(news).toEqual([["failed", expect.stringContaining("message from export worker 0")]]);
  for (const channel of channels) {
    channel.say(Message.NeedOrigin, 0, 1);
    channel.say(Message.Stopped, 0, 0);
    channel.say(Message.ConnectionClosed, 0, 8, CloseCause.Ended);
  }
  board.turn();
  expect([volume.heard, channels.map(({ stopped }) => stopped)]).toEqual([[], [1, 1]]);
  expect(news.slice(1)).toEqual([0, 1].map(() => ["closed", 8, CloseCause.Ended]));
});

it("what a volume's turn brings about is handled in the same turn, and an event within a turn has one, too", () => {
  const { board, channels } = newBench();
  const [a, b] = [new Volume(), new Volume()];
  board.join(0, a);
  board.join(1, b);
  a.whenTurned = () => {
    a.whenTurned = () => {};
    channels[0]!.say(Message.Drained, 1, 0);
    board.touch(b);
    board.turn();
  };
  board.touch(a);
  board.turn();
  expect([a.turns, b.heard.length, b.turns]).toEqual([1, 1, 2]);
});
