/**
 * The threads of depth B without their threads, kernel and clock: the loops of the workers, the product's switchboard, and the numbers that volumes
 * and devices have among them. One volume is on it, or several.
 *
 *   volumes ─▶ switchboard, channels ─▶ export loops, copy loop, metadata loop ─▶ sim-ring.ts: fake disks, scripted sockets
 *
 * A step is one turn of one worker, one turn of main, or one thing that main waited for: the seed chooses. Who sleeps has no turn
 * until it is woken by the words that the real threads use.
 */
import type { Channel } from "../../../src/engine/channel.ts";
import { DeviceFiles } from "../../../src/engine/device-files.ts";
import { MetadataSender } from "../../../src/engine/metadata-sender.ts";
import { Switchboard } from "../../../src/engine/switchboard.ts";
import { COPY_ARENA_BYTES, COPY_SEGMENTS, COPY_SLOTS_AT } from "../../../src/ring/copy-arena.ts";
import { EXPORT_ARENA_BYTES } from "../../../src/ring/export-arena.ts";
import { Message } from "../../../src/ring/messages.ts";
import { METADATA_ARENA_BYTES, METADATA_ZERO_BYTES, METADATA_ZEROES } from "../../../src/ring/metadata-arena.ts";
import { Outbox } from "../../../src/ring/outbox.ts";
import { RingConsumer } from "../../../src/ring/spsc-ring.ts";
import type { ExportControl, FileControl } from "../../../src/ring/worker-data.ts";
import { CopyLoop } from "../../../workers/copy/copy-loop.ts";
import { SegmentShares } from "../../../workers/copy/segment-shares.ts";
import type { WorkerLoop } from "../../../workers/drive.ts";
import { assembleExportLoop } from "../../../workers/export/assembly.ts";
import { MetadataLoop } from "../../../workers/metadata/metadata-loop.ts";
import { takeFiles } from "../../../workers/take-files.ts";
import type { FakeDisk } from "../../support/core/fake-disk.ts";
import { GREETING_BYTES } from "../../../src/nbd/wire/protocol.ts";
import type { SeededRandom } from "../../support/core/seeded-random.ts";
import { ExportClient } from "../../support/export-client.ts";
import { FakeSocket } from "../../support/fake-socket.ts";
import { sendWords, sendWordsOf } from "../../support/raw-message.ts";
import { SimRing, SLOW_TURNS, type SimMachine } from "./sim-ring.ts";
import { SimChannel, SimThread } from "./sim-thread.ts";

const DISK_FD = 100;
const SOCKET_FD = 10_000;
const RING_ENTRIES = 512;
const JOBS = 8;

/** Arenas are large, and what the last life has left in them is as good as any garbage: made once. */
const arenas = new Map<string, SharedArrayBuffer>();

function arena(name: string, bytes: number): SharedArrayBuffer {
  const memory = arenas.get(name) ?? new SharedArrayBuffer(bytes);
  arenas.set(name, memory);
  return memory;
}

export interface SimThreads {
  readonly exports: readonly SimChannel[];
  readonly copies: readonly SimChannel[];
  readonly metadata: SimChannel;
  readonly all: readonly SimChannel[];
}

/** What is on the engine. */
export interface SimMember {
  /** A worker has had its turn: replies may have come. */
  collect(): void;
  /** Its end goes on, if it can. False: it cannot now, or it does not end. */
  advance(): boolean;
}

export class SimEngine {
  readonly channels: SimThreads;
  readonly switchboard: Switchboard;
  readonly metadata: MetadataSender;
  readonly files = new DeviceFiles();
  /** What is to happen on main, each in a turn of its own. */
  readonly later: (() => void)[] = [];
  /** Clients who ask at the address of all volumes for one that is closed: they must be sent away. */
  readonly #strangers = new Map<number, { readonly socket: FakeSocket; readonly volume: string }>();
  readonly #random: SeededRandom;
  readonly #disks = new Map<number, FakeDisk>();
  readonly #sockets = new Map<number, FakeSocket>();
  /** Who is told when a connection is closed, which may be after its volume has left. */
  readonly #closed = new Map<number, (connection: number) => void>();
  readonly #machine: SimMachine;
  readonly #threads: SimThread[] = [];
  readonly #members: (SimMember | undefined)[] = [];
  /** Main has something to do. */
  #mainAwake = true;
  #nextConnection = 1;
  #nextFd = DISK_FD;

  /** `most`: export workers. `slowPercent`: operations of disks that are slow. */
  constructor(random: SeededRandom, most: number, slowPercent: number) {
    this.#random = random;
    this.#machine = {
      random,
      disks: this.#disks,
      sockets: this.#sockets,
      allocates: random.chance(70),
      stalled: new Set(),
      slowPercent,
      turns: 0,
    };
    const exports = Array.from({ length: 1 + random.below(most) }, (_, i) => this.#exportThread(i));
    const copies = [this.#copyThread()];
    const metadata = this.#metadataThread();
    this.channels = { exports, copies, metadata, all: [...exports, ...copies, metadata] };
    this.metadata = new MetadataSender(
      metadata as unknown as Channel,
      () => this.#members.filter((one) => one !== undefined).length > 1,
    );
    this.switchboard = new Switchboard({
      connectionClosed: (connection) => {
        const closed = this.#closed.get(connection);
        this.#closed.delete(connection);
        closed?.(connection);
      },
      entered: () => {},
      waiting: () => {},
      // What the product makes of it is not to be seen here: a life fails with the cause.
      failed: (error) => {
        throw error;
      },
    });
    const all = this.channels.all as unknown as readonly Channel[];
    this.switchboard.connect({ all }, new Map([[metadata as unknown as Channel, this.metadata]]));
  }

  /** A number for a volume. */
  join(member: SimMember): number {
    let number = 0;
    while (this.#members[number] !== undefined) number += 1;
    this.#members[number] = member;
    return number;
  }

  /** Volumes, and devices, that are on it. */
  get used(): { readonly volumes: number; readonly devices: number } {
    return { volumes: this.#members.filter((member) => member !== undefined).length, devices: this.files.count };
  }

  /** Every worker has forgotten it. */
  leave(number: number): void {
    this.switchboard.leave(number);
    this.#members[number] = undefined;
  }

  /** The descriptor of a disk. */
  attach(disk: FakeDisk): number {
    const fd = this.#nextFd++;
    this.#disks.set(fd, disk);
    return fd;
  }

  /** No operation of `disk` begins from now on, and those of `before` do again. */
  stall(before: FakeDisk | undefined, disk: FakeDisk | undefined): void {
    const { stalled } = this.#machine;
    if (before !== undefined) stalled.delete(before);
    if (disk !== undefined) stalled.add(disk);
  }

  /** Every disk answers again. False: all of them did. */
  unstall(): boolean {
    const { stalled } = this.#machine;
    if (stalled.size === 0) return false;
    stalled.clear();
    return true;
  }

  /** Main has something to do. */
  wakeMain(): void {
    this.#mainAwake = true;
  }

  /** Hand a socket that has come by an address of this volume, or of all, to any worker; the connection's number. */
  adopt(socket: FakeSocket, volume: number | "all", closed: (connection: number) => void): number {
    const id = this.#nextConnection++;
    this.#closed.set(id, closed);
    this.#sockets.set(SOCKET_FD + id, socket);
    const { outbox } = this.#random.pick(this.channels.exports);
    const all = volume === "all";
    sendWordsOf(outbox, Message.Adopt, all ? 0 : volume, id, SOCKET_FD + id, all ? 1 : 0);
    outbox.flush();
    return id;
  }

  /** Somebody asks for an export of a volume that is closed: the live volume, or a snapshot. */
  knock(volume: string, snapshot: string | undefined): void {
    const socket = new FakeSocket();
    const id = this.adopt(socket, "all", () => this.#strangers.delete(id));
    new ExportClient(id, socket).enter(snapshot === undefined ? volume : `${volume}@${snapshot}`);
    this.#strangers.set(id, { socket, volume });
  }

  /** The volume is to be offered again: who has asked for it may be served yet. */
  expect(volume: string): void {
    for (const [id, stranger] of this.#strangers) if (stranger.volume === volume) this.#strangers.delete(id);
  }

  /** Nobody is served who asks for what is closed. */
  checkStrangers(): void {
    for (const { socket } of this.#strangers.values())
      if (socket.sent.length > GREETING_BYTES) throw new Error("a volume that is closed is offered");
  }

  /** Nothing is under way: strangers have been sent away. */
  checkQuiet(): void {
    if (this.#strangers.size > 0) throw new Error("who asks for a volume that is closed is kept waiting");
  }

  /** A control message to every worker; `then` when all have taken it. */
  tell(toExports: ExportControl, toOthers: FileControl, then: () => void): void {
    const { exports, all } = this.channels;
    let left = all.length;
    for (const channel of all) {
      channel.expect(exports.includes(channel) ? toExports : toOthers, () => {
        left -= 1;
        if (left === 0) then();
      });
      sendWords(channel.outbox, Message.Control, 0);
    }
    this.#mainAwake = true;
  }

  step(): boolean {
    let goesOn = this.#turn();
    for (const member of this.#members) if (member?.advance() === true) goesOn = true;
    return goesOn;
  }

  #turn(): boolean {
    const runnable = this.#threads.filter((thread) => thread.isRunnable);
    const { later } = this;
    const choices = runnable.length + later.length + (this.#mainAwake ? 1 : 0);
    if (choices === 0) return this.#skipSlow();
    const choice = this.#random.below(choices);
    if (choice < runnable.length) {
      runnable[choice]!.turn();
      for (const member of this.#members) member?.collect();
      this.checkStrangers();
    } else {
      this.#mainAwake = false;
      if (choice - runnable.length < later.length) later.splice(choice - runnable.length, 1)[0]!();
      this.switchboard.turn();
    }
    return true;
  }

  /** Nothing else can happen: what is slow comes to its end. */
  #skipSlow(): boolean {
    if (!this.#threads.some((thread) => thread.ring.isHeld)) return false;
    this.#machine.turns += SLOW_TURNS;
    return true;
  }

  /** The process is killed: some of the I/O that is under way still lands. */
  die(): void {
    for (const { ring } of this.#threads) ring.die();
    for (const happen of [...this.later]) if (this.#random.chance(50)) happen();
  }

  #channel(role: string, index: number, bytes: number, shortPercent: number): { channel: SimChannel; ring: SimRing } {
    const memory = arena(`${role} ${index}`, bytes);
    const ring = new SimRing(this.#machine, memory, RING_ENTRIES, shortPercent);
    const channel = new SimChannel(role, index, memory, 4096, () => {
      ring.signaled = true;
    });
    return { channel, ring };
  }

  #add(channel: SimChannel, ring: SimRing, loop: WorkerLoop): SimChannel {
    this.#threads.push(new SimThread(channel, ring, loop));
    return channel;
  }

  #exportThread(worker: number): SimChannel {
    const { channel, ring } = this.#channel("export", worker, EXPORT_ARENA_BYTES, 5);
    const { arena: memory, toWorker, toMain, counters } = channel;
    const wake = { fd: -1, word: new SharedArrayBuffer(4) };
    const loop = assembleExportLoop(
      {
        ...{ arena: memory, toWorker, toMain, counters: counters.buffer, wakeWorker: wake, wakeMain: wake },
        ...{ mode: "auto", worker, busyPollUs: 0 },
      },
      ring,
      () => this.wakeMain(),
      () => channel.controls.shift() as ExportControl,
    );
    return this.#add(channel, ring, loop);
  }

  #copyThread(): SimChannel {
    const { channel, ring } = this.#channel("copy", 0, COPY_ARENA_BYTES, 5);
    const segments = Math.min(COPY_SEGMENTS, 1 + this.#random.below(8));
    const shares = new SegmentShares(segments);
    const loop = new CopyLoop({
      ring,
      ...this.#ends(channel),
      ...{ wakeAddress: 0, slots: COPY_SLOTS_AT, segments, shares },
      control: () => {
        const control = channel.controls.shift() as FileControl;
        takeFiles(ring, control);
        shares.filesChanged(control);
      },
    });
    return this.#add(channel, ring, loop);
  }

  #metadataThread(): SimChannel {
    const { channel, ring } = this.#channel("metadata", 0, METADATA_ARENA_BYTES, 0);
    const loop = new MetadataLoop({
      ring,
      ...this.#ends(channel),
      ...{ wakeAddress: 0, zeroAddress: METADATA_ZEROES, zeroBytes: METADATA_ZERO_BYTES, jobs: JOBS },
      control: () => takeFiles(ring, channel.controls.shift() as FileControl),
    });
    return this.#add(channel, ring, loop);
  }

  #ends(channel: SimChannel): { inbox: RingConsumer; outbox: Outbox; counters: Float64Array } {
    return {
      inbox: new RingConsumer(channel.toWorker),
      outbox: new Outbox(channel.toMain, () => this.wakeMain()),
      counters: channel.counters,
    };
  }
}
