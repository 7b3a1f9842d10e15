/**
 * An export worker's loop on one thread, with devices in memory and scripted clients; the test is main.
 *
 *   client bytes ──▶ loop ──▶ messages     the test looks at them, and answers by `release`, `grant`, gates and shared words
 *   replies      ◀── loop ◀── answers
 *
 * Nothing answers by itself: a request that waits at main waits until the test says otherwise.
 */
import { EntryState, SnapshotState } from "../../src/base/states.ts";
import { highWord, lowWord } from "../../src/base/u64.ts";
import { createCounters, createExportCounters, exportCounters } from "../../src/ring/counters.ts";
import { EXPORT_ARENA_BYTES, EXPORT_SLOTS_AT } from "../../src/ring/export-arena.ts";
import { cowFile, ORIGIN_FILE } from "./device-numbers.ts";
import { Message } from "../../src/ring/messages.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer } from "../../src/ring/spsc-ring.ts";
import { createVolumeWords, VolumeWords } from "../../src/ring/volume-words.ts";
import type { ExportControl } from "../../src/ring/worker-data.ts";
import { createSnapshotWords, SnapshotWords } from "../../src/table/snapshot-words.ts";
import { createTable } from "../../src/table/table-layout.ts";
import { TableWriter } from "../../src/table/table-writer.ts";
import { assembleExportLoop } from "../../workers/export/assembly.ts";
import type { ExportContext } from "../../workers/export/context.ts";
import type { ServedVolume } from "../../workers/export/served-volume.ts";
import type { ExportLoop } from "../../workers/export/loop.ts";
import { dataPattern } from "./data-pattern.ts";
import { ExportClient } from "./export-client.ts";
import { FakeRing } from "./fake-ring.ts";
import { FakeSocket } from "./fake-socket.ts";
import { sendWords, sendWordsOf } from "./raw-message.ts";
import { UsedAgain } from "./used-again.ts";

const ORIGIN_FD = 100;
const COW_FD = 200;
const SOCKET_FD = 1000;
const CAPACITY = 8192;
/** Turns without an end are a loop that spins. */
const TURNS_MAX = 20_000;

export interface BenchOptions {
  readonly originBytes?: number;
  readonly chunkBytes?: number;
  /** 1: buffered. */
  readonly originAlign?: number;
  readonly cowAlign?: number;
  readonly readOnly?: boolean;
  /** Of the live volume; "keep" is the default, as ever. */
  readonly trim?: "keep" | "preserve";
  /** Workers keep chunks in reserve. */
  readonly reserves?: boolean;
}

/** What main knows of a snapshot. */
export interface BenchSnapshot {
  readonly index: number;
  readonly chunkBytes: number;
  readonly cow: Uint8Array;
  readonly table: TableWriter;
  readonly words: SnapshotWords;
  readonly counters: Float64Array;
}

/** What origins begin with, which is asked for again and again. */
let pattern = dataPattern(1024 * 1024, 1);

function originPattern(bytes: number): Uint8Array {
  if (pattern.length < bytes) pattern = dataPattern(bytes, 1);
  return pattern.subarray(0, bytes);
}

/** No test has more benches at a time. */
const arenas = new UsedAgain(3, (bytes) => new SharedArrayBuffer(bytes));
/** … or more devices of one size. */
const devices = new UsedAgain(16, (bytes) => new Uint8Array(bytes));
const largeDevices = new UsedAgain(4, (bytes) => new Uint8Array(bytes));
const LARGE_BYTES = 2 * 1024 * 1024;

/** What lies behind the zeroes is slots and inboxes, which come used to the next client, too. */
function takeArena(): SharedArrayBuffer {
  const arena = arenas.take(EXPORT_ARENA_BYTES);
  new Uint8Array(arena, 0, EXPORT_SLOTS_AT).fill(0);
  return arena;
}

/** As somebody has left it. */
function takeDevice(bytes: number): Uint8Array {
  return (bytes > LARGE_BYTES ? largeDevices : devices).take(bytes);
}

export class ExportBench {
  readonly ring = new FakeRing(takeArena(), CAPACITY);
  readonly loop: ExportLoop;
  readonly volume: VolumeWords;
  readonly origin: Uint8Array;
  readonly chunkBytes: number;
  /** Of the live volume's export. */
  readonly counters: Float64Array;
  /** What the worker has sent and the test has not taken. */
  messages: number[][] = [];
  /** Main takes no message: the ring fills up. */
  deaf = false;
  /** How often the worker had to be woken for a message: it slept, or was about to. */
  woken = 0;
  /** The loop wants to sleep: nothing is left that it could do by itself. */
  asleep = false;
  readonly #options: BenchOptions;
  readonly #outbox: Outbox;
  readonly #inbox: RingConsumer;
  readonly #controls: ExportControl[] = [];
  #completions = 0;
  #nextId = 1;

  constructor(options: BenchOptions = {}) {
    const { originBytes = 1024 * 1024, chunkBytes = 16384, originAlign = 1, readOnly = false } = options;
    this.#options = options;
    this.chunkBytes = chunkBytes;
    this.origin = takeDevice(originBytes);
    this.origin.set(originPattern(originBytes));
    this.ring.devices.set(ORIGIN_FD, this.origin);
    this.ring.blockBytes.set(ORIGIN_FILE, originAlign);
    const toWorker = createRing(4096);
    const toMain = createRing(4096);
    const volume = createVolumeWords();
    this.volume = new VolumeWords(volume);
    this.#outbox = new Outbox(toWorker, () => void (this.woken += 1));
    this.#inbox = new RingConsumer(toMain);
    const wake = { fd: -1, word: new SharedArrayBuffer(4) };
    const counters = createCounters();
    const origin = { file: ORIGIN_FILE, align: originAlign, inline: originAlign === 1 };
    this.loop = assembleExportLoop(
      {
        ...{ arena: this.ring.arena, toWorker, toMain, counters, wakeWorker: wake, wakeMain: wake, mode: "auto" },
        ...{ worker: 0, busyPollUs: 0 },
      },
      this.ring,
      () => {},
      () => this.#controls.shift() as ExportControl,
    );
    const exported = createExportCounters(1);
    this.counters = exportCounters(exported, 0);
    const description = {
      number: 0,
      name: "volume",
      words: volume,
      counters: exported,
      origin,
      originBytes,
      keepsTrims: options.trim !== "preserve",
    };
    this.control({ kind: "volume", volume: description, fd: ORIGIN_FD, readOnly });
    this.messages = [];
  }

  /** Introduce a snapshot; it is Active and listed unless the test says otherwise. */
  addSnapshot(index = 0, options: { zeroes?: boolean; passdown?: boolean; chunkBytes?: number } = {}): BenchSnapshot {
    const { chunkBytes = this.chunkBytes } = options;
    const cow = takeDevice(this.origin.length + 8 * chunkBytes).fill(0xee);
    const table = createTable({ originChunks: Math.ceil(this.origin.length / chunkBytes) });
    const words = createSnapshotWords();
    const counters = createExportCounters(1);
    const align = this.#options.cowAlign ?? 1;
    const fd = COW_FD + this.ring.devices.size;
    this.ring.devices.set(fd, cow);
    this.ring.blockBytes.set(cowFile(index), align);
    const description = {
      ...{ index, name: `s${index}`, chunkBytes, table, words, counters },
      cow: { file: cowFile(index), align, inline: align === 1 },
      reserves: this.#options.reserves ?? false,
      discardZeroesCow: options.zeroes ?? false,
      discardPassdownOrigin: options.passdown ?? false,
    };
    this.control({ kind: "snapshot", volume: 0, snapshot: description, fd, readOnly: this.#options.readOnly ?? false });
    const snapshot = {
      ...{ index, chunkBytes },
      cow,
      table: new TableWriter(table),
      words: new SnapshotWords(words),
      counters: exportCounters(counters, 0),
    };
    snapshot.words.setState(SnapshotState.Active);
    this.volume.setList([index]);
    return snapshot;
  }

  get context(): ExportContext {
    return this.loop.context;
  }

  /** The worker's view of the volume. */
  get served(): ServedVolume {
    const volume = this.context.volumes[0];
    if (volume === undefined) throw new Error("the worker has forgotten the volume");
    return volume;
  }

  control(control: ExportControl): void {
    this.#controls.push(control);
    this.send(Message.Control, 0);
    this.run();
  }

  /** A client that has entered an export. */
  connect(name = ""): ExportClient {
    const client = this.accept();
    client.enter(name);
    this.run();
    client.skipHandshake();
    return client;
  }

  /** The same by an address that serves all volumes. */
  connectAt(scope: "all", name: string): ExportClient {
    const client = this.acceptAt(scope);
    client.enter(name);
    this.run();
    client.skipHandshake();
    return client;
  }

  /** A client that has said nothing yet. */
  accept(): ExportClient {
    return this.acceptAt("volume");
  }

  /** … by an address of the volume, or one that serves all. */
  acceptAt(scope: "volume" | "all"): ExportClient {
    const id = this.#nextId++;
    const socket = new FakeSocket();
    this.ring.sockets.set(SOCKET_FD + id, socket);
    this.send(Message.Adopt, id, SOCKET_FD + id, scope === "all" ? 1 : 0);
    this.run();
    return new ExportClient(id, socket);
  }

  /** A message about another volume than the first. */
  sendOf(volume: number, kind: number, token: number, ...rest: readonly number[]): void {
    sendWordsOf(this.#outbox, kind, volume, token, ...rest);
    this.#outbox.flush();
  }

  send(kind: number, token: number, ...rest: readonly number[]): void {
    sendWords(this.#outbox, kind, token, ...rest);
    this.#outbox.flush();
  }

  release(token: number, error = 0): void {
    this.send(Message.Released, token, error);
  }

  grant(token: number, snapshot: number, chunk: number, newChunk: number, whole: boolean): void {
    this.send(Message.Granted, token, snapshot, lowWord(chunk), highWord(chunk), newChunk, 0, whole ? 1 : 0);
  }

  openGate(gate: number): void {
    this.volume.gate(gate).open();
    this.send(Message.GateOpened, 0, gate);
  }

  /** Publish an exception whose new chunk holds what the origin has now, or `fill`. */
  publish(snapshot: BenchSnapshot, chunk: number, newChunk: number, settled = false, fill?: number): void {
    const { chunkBytes } = snapshot;
    const old = this.origin.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes);
    const target = snapshot.cow.subarray(newChunk * chunkBytes, newChunk * chunkBytes + old.length);
    if (fill === undefined) target.set(old);
    else target.fill(fill);
    snapshot.table.publish(chunk, newChunk, settled ? EntryState.Settled : EntryState.Visible);
  }

  /** The messages of one kind, taken. */
  take(kind: number): number[][] {
    const found = this.messages.filter((message) => message[0] === kind);
    this.messages = this.messages.filter((message) => message[0] !== kind);
    return found;
  }

  /** The tokens of the messages of one kind, taken. */
  tokens(kind: number): number[] {
    return this.take(kind).map((message) => message[1]);
  }

  /** The connections that the worker has finished with since the last call. */
  closed(): number[] {
    return this.tokens(Message.ConnectionClosed);
  }

  /** One step and one turn, as drive.ts makes them. */
  turn(): void {
    if (!this.loop.ended) this.loop.step(this.#completions);
    this.#completions = 0;
    this.#collect();
    this.asleep = this.loop.ended;
    if (this.loop.ended) return;
    const sleep = this.loop.prepareSleep();
    this.#completions = this.ring.turn(this.loop.submissions.take(), sleep);
    this.asleep = sleep && this.#completions === 0;
    this.loop.awake();
  }

  /** Turn until the loop sleeps. */
  run(): void {
    for (let turns = 0; turns < TURNS_MAX; turns++) {
      this.turn();
      if (this.asleep) return;
    }
    throw new Error("the loop never sleeps");
  }

  #collect(): void {
    if (this.deaf) return;
    for (let at = this.#inbox.peek(); at >= 0; at = this.#inbox.peek()) {
      this.messages.push([...this.#inbox.words.subarray(at, at + 8)]);
      this.#inbox.advance();
    }
  }
}
