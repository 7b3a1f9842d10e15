/**
 * Main's turn: drains the channel of every worker once, and hands each message to the volume that it names.
 *
 *   workers                 switchboard                            volumes' shells
 *     │ messages ──────────▶ drain every inbox ── by volume ─────▶ core: events, effects
 *     │                      each volume that was touched: turn ─▶ core: commits
 *     │ ◀─────────────────── one publish, one wake per worker      (effects stand in the outboxes)
 *     │                      after it: notices
 *
 * Whatever else comes (a timer, an order, an answer of the register) is an event of one shell, which calls `turn` after it. What is of no volume
 * (connections, control messages, the end of a thread) goes to the engine. A message for a volume that has gone is answered where somebody waits:
 * its worker has not been told yet, or has failed to do what it was told.
 *
 * A shell never throws: it fails alone. What throws here is a defect that concerns all, and nothing is handled any more. Runs on main.
 */
import { unreachable } from "../base/assert.ts";
import { errno } from "../base/errno.ts";
import type { MetadataSender } from "./metadata-sender.ts";
import { kindOf, tokenOf, volumeOf } from "../ring/message-field.ts";
import { type CloseCause, Message } from "../ring/messages.ts";
import { ConnectionClosed, ControlTaken, Entered, MetadataDone } from "../ring/to-main.ts";
import { Released } from "../ring/to-workers.ts";
import type { Channel } from "./channel.ts";

/** Rounds of a turn before the event loop has its turn again. */
const ROUNDS_PER_TURN = 16;
/** After the end nothing is urgent, and a ring that nobody empties stays full. */
const LAST_ROUND_MS = 10;

/** A volume's shell. None of it throws. */
export interface Station {
  /** From a worker of any kind, in the order in which that has sent them. */
  message(channel: Channel, kind: number, words: Int32Array, at: number): void;
  /** All that has come in this round has been handed over. */
  turn(): void;
  /** The turn is over: what the program around wants to hear. */
  afterTurn(): void;
}

/** What concerns the engine. */
export interface EngineEvents {
  /** The worker has finished with a connection. */
  connectionClosed(connection: number, cause: CloseCause): void;
  /** A client's handshake is over: it has entered this snapshot of the volume, or LIVE_VOLUME. */
  entered(connection: number, volume: number, snapshot: number): void;
  /** A client of this worker waits for memory that others hold. */
  waiting(worker: Channel): void;
  /** Something has thrown: nothing is handled any more. */
  failed(error: unknown): void;
}

/** The threads, as far as main hears of them here. */
export interface SwitchedThreads {
  readonly all: readonly Channel[];
}

export class Switchboard {
  readonly #events: EngineEvents;
  readonly #stations: (Station | undefined)[] = [];
  readonly #touched = new Set<Station>();
  /** They have had their turn; what they bring about then may be a turn of its own, which tells the rest of them, too. */
  readonly #toTell = new Set<Station>();
  #channels: readonly Channel[] = [];
  #metadata: ReadonlyMap<Channel, MetadataSender> = new Map();
  #turning = false;
  #again = false;
  #ended = false;

  constructor(events: EngineEvents) {
    this.#events = events;
  }

  /** The threads are there. `metadata`: who hears of the jobs of each metadata worker. */
  connect({ all }: SwitchedThreads, metadata: ReadonlyMap<Channel, MetadataSender>): void {
    this.#channels = all;
    this.#metadata = metadata;
    this.turn();
  }

  /** Messages of this volume go there from now on. */
  join(volume: number, station: Station): void {
    this.#stations[volume] = station;
  }

  /** Every worker has forgotten the volume. */
  leave(volume: number): void {
    const station = this.#stations[volume];
    this.#stations[volume] = undefined;
    if (station !== undefined) this.#touched.delete(station);
  }

  /** It has had an event: its turn comes with the next round. */
  touch(station: Station): void {
    this.#touched.add(station);
  }

  /** Handle everything that workers have sent; called by the wake-up, and after events from outside. */
  turn(): void {
    if (this.#turning) {
      this.#again = true;
      return;
    }
    if (this.#ended) return this.#hearLast();
    this.#turning = true;
    try {
      for (let round = 0; round === 0 || (this.#again && round < ROUNDS_PER_TURN); round++) this.#round();
    } catch (error) {
      this.#fail(error);
    }
    this.#turning = false;
    for (const station of this.#toTell) station.afterTurn();
    this.#toTell.clear();
    if (this.#ended) this.#hearLast();
    // The event loop has its turn, too: more messages, or a ring that was full, come after it.
    if (this.#again && !this.#ended) setImmediate(() => this.turn());
  }

  /** Only what threads say at their end, and that connections are closed, is heard from here on. A second call does nothing more. */
  end(): void {
    this.#ended = true;
  }

  #fail(error: unknown): void {
    this.end();
    this.#events.failed(error);
  }

  #round(): void {
    this.#again = false;
    for (const channel of this.#channels) this.#drain(channel);
    for (const station of this.#touched) {
      station.turn();
      this.#toTell.add(station);
    }
    this.#touched.clear();
    for (const { outbox } of this.#channels) if (outbox.flush()) this.#again = true;
    for (const { inbox } of this.#channels) if (!inbox.prepareSleep()) this.#again = true;
  }

  /** No volume is served any more. That a client's stream may end, and that a worker has, is heard all the same. */
  #hearLast(): void {
    let again = false;
    for (const channel of this.#channels) {
      if (channel.isClosed) continue;
      this.#drain(channel);
      if (!channel.dead && channel.outbox.flush()) again = true;
      if (!channel.inbox.prepareSleep()) again = true;
    }
    if (again) setTimeout(() => this.turn(), LAST_ROUND_MS);
  }

  #drain(channel: Channel): void {
    const { inbox } = channel;
    const { words } = inbox;
    inbox.awake();
    for (let at = inbox.peek(); at >= 0; at = inbox.peek()) {
      if (this.#ended) this.#lastMessage(channel, words, at);
      else this.#message(channel, words, at);
      inbox.advance();
    }
  }

  #lastMessage(channel: Channel, words: Int32Array, at: number): void {
    const kind = kindOf(words, at);
    if (kind === Message.Stopped) channel.hasStopped();
    else if (kind === Message.ConnectionClosed) this.#connectionClosed(words, at);
  }

  #message(channel: Channel, words: Int32Array, at: number): void {
    const kind = kindOf(words, at);
    if (kind === Message.MetadataDone) {
      this.#metadata.get(channel)?.done(tokenOf(words, at), MetadataDone.error.get(words, at));
      return;
    }
    if (!isOfVolume(kind)) return this.#news(channel, kind, words, at);
    const volume = volumeOf(words, at);
    const station = this.#stations[volume];
    if (station === undefined) return answerForNobody(channel, kind, volume, tokenOf(words, at));
    this.#touched.add(station);
    station.message(channel, kind, words, at);
  }

  #news(channel: Channel, kind: number, words: Int32Array, at: number): void {
    if (kind === Message.ConnectionClosed) this.#connectionClosed(words, at);
    else if (kind === Message.Entered)
      this.#events.entered(tokenOf(words, at), volumeOf(words, at), Entered.snapshot.get(words, at));
    else if (kind === Message.Waiting) this.#events.waiting(channel);
    else if (kind === Message.ControlTaken) channel.controlTaken(ControlTaken.error.get(words, at));
    else if (kind === Message.Stopped) channel.hasStopped();
    else unreachable(kind as never, `message from ${channel.role} worker ${channel.index}`);
  }

  #connectionClosed(words: Int32Array, at: number): void {
    this.#events.connectionClosed(tokenOf(words, at), ConnectionClosed.cause.get(words, at));
  }
}

/** Anything else is about a connection, or the thread itself; so are kinds that nobody knows, which end everything. */
function isOfVolume(kind: number): boolean {
  switch (kind) {
    case Message.Copied:
    case Message.VolumeStopped:
    case Message.NeedReserve:
    case Message.Drained:
    case Message.GateDrained:
    case Message.ExclusiveDone:
      return true;
    default:
      return isNeed(kind);
  }
}

/** A piece waits for an answer. */
function isNeed(kind: number): boolean {
  switch (kind) {
    case Message.NeedOrigin:
    case Message.NeedChunk:
    case Message.NeedDurable:
    case Message.NeedRange:
    case Message.NeedExclusive:
    case Message.Written:
    case Message.Claim:
    case Message.ClaimOrigin:
      return true;
    default:
      return false;
  }
}

/** The volume has gone: a piece that waits for it has failed. */
function answerForNobody({ outbox }: Channel, kind: number, volume: number, piece: number): void {
  if (!isNeed(kind)) return;
  const at = outbox.begin(Message.Released, volume, piece);
  Released.error.set(outbox.words, at, errno.ESHUTDOWN);
}
