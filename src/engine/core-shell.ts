/**
 * The shell around a volume's core: messages of workers become events, the core's effects become messages. Runs on main.
 *
 *   workers ──▶ switchboard            shell                                  core
 *     │ NEED… ──────────────────────▶ message ─── event ───────────────────▶ │
 *     │                               effects ◀────────────────────────────  │
 *     │ ◀── RELEASED, COPY… ───────── in the outboxes
 *
 * Whatever comes from outside comes in through `message`, or (a timer, an order, an answer of the register) through `#enter`. What the core throws
 * is a defect of ours, and after it the core cannot be trusted: the shell ends, what was ordered fails, and its volume is told, once; other
 * volumes go on. What the program around us wants to hear (`notice`) is told after the turn, when the core may be called again.
 *
 * A token carries the worker that asked: worker × 65536 + piece. The core never sees rings, the workers never decide. The core numbers
 * its devices (0 the origin, 1 + snapshot); what stands in messages is their number in the rings' file tables.
 */
import { unreachable } from "../base/assert.ts";
import { errnoOf } from "../base/errno.ts";
import { bitsIn, SECTOR_BYTES } from "../base/units.ts";
import type { Core } from "../core/core.ts";
import type { FillPercent } from "../core/fill-level.ts";
import {
  type CopyJob,
  type CreationStep,
  type DeviceId,
  type Effects,
  type MetadataJob,
  type NoticeKind,
  ORIGIN_DEVICE,
  type Registration,
} from "../core/ports.ts";
import { tokenOf } from "../ring/message-field.ts";
import { Message } from "../ring/messages.ts";
import { Claim, Copied, Drained, ExclusiveDone, GateDrained, NeedChunk, NeedDurable } from "../ring/to-main.ts";
import { NeedExclusive, NeedOrigin, NeedRange, NeedReserve, VolumeStopped, Written } from "../ring/to-main.ts";
import { CopyRead, CopyWrite, ExclusiveGranted, Granted, Released, Reserved } from "../ring/to-workers.ts";
import type { Channel } from "./channel.ts";
import { type CoreOrder, CoreOrders, type CreationNews, type Ended } from "./core-orders.ts";
import type { MetadataClient, MetadataSender } from "./metadata-sender.ts";
import type { Station, Switchboard } from "./switchboard.ts";

const TOKEN_WORKER = 65536;

export interface ShellEvents {
  /** Record it in the register; resolves when it is durable (E-46). */
  register(snapshot: number, what: Registration): Promise<void>;
  /** Flush the origin; resolves with the error number. */
  flushOrigin(): Promise<number>;
  notice(snapshot: number, event: NoticeKind, error: number): void;
  /** A store is to grow (E-47). */
  wantRoom(snapshot: number): void;
  level(snapshot: number, percent: FillPercent, rising: boolean): void;
  /** A group of exceptions is durable. */
  committed?(snapshot: number): void;
  /** Nobody is the volume's client in this worker any more, and nothing of it is under way there; what had to be cut for that. */
  stopped(worker: Channel, requests: number, clients: number): void;
  /** Something has thrown; the shell does nothing any more. */
  failed(error: unknown): void;
}

export interface CoreShellParts {
  readonly switchboard: Switchboard;
  /** The volume's number. */
  readonly volume: number;
  readonly exports: readonly Channel[];
  readonly copies: readonly Channel[];
  readonly metadata: MetadataSender;
  /** The number of a device in every ring. */
  readonly fileOf: (device: DeviceId) => number;
  readonly events: ShellEvents;
  /** The time of S-54. */
  readonly groupWaitMs: number;
  /** The core and its shell know each other, so one makes the other. */
  readonly newCore: (effects: Effects) => Core;
}

export class CoreShell implements Effects, Station, MetadataClient {
  readonly volume: number;
  readonly #parts: CoreShellParts;
  readonly #events: ShellEvents;
  readonly #orders = new CoreOrders();
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #notices: (() => void)[] = [];
  /** The core that this shell serves. */
  readonly core: Core;
  #nextCopy = 0;
  /** Targets of copies, and metadata jobs, that are under way: a copy is told of part by part where one of its devices is slow (E-18). */
  jobs = 0;
  #idle: (() => void) | undefined;
  #ended = false;
  /** Messages of workers so far: requests, and ends of what they did. */
  heard = 0;

  constructor(parts: CoreShellParts) {
    this.#parts = parts;
    this.volume = parts.volume;
    this.#events = parts.events;
    this.core = parts.newCore(this);
    parts.switchboard.join(parts.volume, this);
  }

  /** Run an event of the core that ends with `finished`: resolves then, or when the shell ends. `message` names what failed. */
  operate(event: (operation: number) => void): Promise<Ended> {
    return this.#begin(this.#orders.begin(), event).over;
  }

  /** Begin to make snapshots; `news` hears how far that has come, and may call the core (`tellCreation`). */
  create(made: Parameters<Core["createSnapshots"]>[1], news: CreationNews): CoreOrder {
    return this.#begin(this.#orders.begin(news), (operation) => this.core.createSnapshots(operation, made, true));
  }

  /** A message of a worker, for this volume. */
  message(channel: Channel, kind: number, words: Int32Array, at: number): void {
    this.heard += 1;
    if (this.#ended) return this.#lastMessage(channel, kind, words, at);
    try {
      if (kind === Message.Copied) this.#copied(words, at);
      else if (kind === Message.VolumeStopped) this.#stopped(channel, words, at);
      else this.#request(channel, kind, words, at);
    } catch (error) {
      this.#fail(error);
    }
  }

  metadataDone(job: MetadataJob, error: number, bytes: Uint8Array | undefined): void {
    this.heard += 1;
    this.#jobsEnded(1);
    this.#parts.switchboard.touch(this);
    if (this.#ended) return;
    try {
      if (job.kind === "readArea") this.core.areaRead(job.snapshot, error, bytes ?? new Uint8Array(0));
      else this.core.metadataDone(job.snapshot, error);
      if (job.kind === "commit" && error === 0) this.#events.committed?.(job.snapshot);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  turn(): void {
    if (this.#ended) return;
    try {
      this.core.turn();
    } catch (error) {
      this.#fail(error);
    }
  }

  afterTurn(): void {
    for (const notice of this.#notices.splice(0)) notice();
  }

  fileOf(device: DeviceId): number {
    return this.#parts.fileOf(device);
  }

  /** Resolves when no copy and no metadata job is under way. */
  async idle(): Promise<void> {
    if (this.jobs > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
  }

  /** An event of the core that is answered at once, or not at all; undefined: the core has failed. */
  tell<T>(event: (core: Core) => T): T | undefined {
    let answer: T | undefined;
    this.#enter(() => {
      answer = event(this.core);
    });
    return answer;
  }

  /** Nothing is handled any more; what was ordered and is not over fails. A second call does nothing more. */
  end(): void {
    this.#ended = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#orders.giveUp();
  }

  copy(job: CopyJob): void {
    const { copies } = this.#parts;
    const { volume } = this;
    const { outbox } = copies[this.#nextCopy];
    this.#nextCopy = (this.#nextCopy + 1) % copies.length;
    const { id, source, sector, sectors, targets } = job;
    const { words } = outbox;
    this.jobs += targets.length;
    const from = this.fileOf(source);
    const read = outbox.begin(Message.CopyRead, volume, id);
    CopyRead.file.set(words, read, from);
    CopyRead.position.set(words, read, sector * SECTOR_BYTES);
    CopyRead.bytes.set(words, read, sectors * SECTOR_BYTES);
    CopyRead.targets.set(words, read, targets.length);
    CopyRead.cow.set(words, read, source !== ORIGIN_DEVICE);
    for (const target of targets) {
      const file = this.fileOf(target.device);
      const at = outbox.begin(Message.CopyWrite, volume, id);
      CopyWrite.file.set(words, at, file);
      CopyWrite.position.set(words, at, target.sector * SECTOR_BYTES);
      CopyWrite.bytes.set(words, at, target.sectors * SECTOR_BYTES);
      CopyWrite.offset.set(words, at, target.offsetSectors * SECTOR_BYTES);
    }
  }

  metadata(job: MetadataJob): void {
    this.jobs += 1;
    this.#parts.metadata.send(this, job);
  }

  grant(token: number, snapshot: number, chunk: number, newChunk: number, whole: boolean): void {
    const { outbox } = this.#exportOf(token);
    const { words } = outbox;
    const at = outbox.begin(Message.Granted, this.volume, token % TOKEN_WORKER);
    Granted.snapshot.set(words, at, snapshot);
    Granted.chunk.set(words, at, chunk);
    Granted.newChunk.set(words, at, newChunk);
    Granted.whole.set(words, at, whole);
  }

  grantExclusive(token: number, gate: number): void {
    const { outbox } = this.#exportOf(token);
    const at = outbox.begin(Message.ExclusiveGranted, this.volume, token % TOKEN_WORKER);
    ExclusiveGranted.gate.set(outbox.words, at, gate);
  }

  release(token: number, error: number): void {
    const { outbox } = this.#exportOf(token);
    const at = outbox.begin(Message.Released, this.volume, token % TOKEN_WORKER);
    Released.error.set(outbox.words, at, error);
  }

  register(snapshot: number, what: Registration): void {
    const told = (error: number): void => this.#enter(() => this.core.registered(snapshot, error));
    this.#events.register(snapshot, what).then(
      () => told(0),
      (error: unknown) => told(errnoOf(error)),
    );
  }

  flushOrigin(operation: number): void {
    const told = (error: number): void =>
      this.#enter(() => this.core.tellCreation(operation, (creation) => creation.originFlushed(error)));
    this.#events.flushOrigin().then(told, (error: unknown) => told(errnoOf(error)));
  }

  finished(operation: number, error: number, message: string, snapshot?: number): void {
    this.#orders.finished(operation, { error, message, snapshot });
  }

  creation(operation: number, step: CreationStep): void {
    this.#orders.step(operation, step);
  }

  notice(snapshot: number, event: NoticeKind, error: number): void {
    this.#notices.push(() => this.#events.notice(snapshot, event, error));
  }

  wantRoom(snapshot: number): void {
    this.#notices.push(() => this.#events.wantRoom(snapshot));
  }

  level(snapshot: number, percent: FillPercent, rising: boolean): void {
    this.#notices.push(() => this.#events.level(snapshot, percent, rising));
  }

  armTimer(snapshot: number): void {
    if (this.#timers.has(snapshot)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(snapshot);
      this.#enter(() => this.core.tick(snapshot));
    }, this.#parts.groupWaitMs);
    timer.unref();
    this.#timers.set(snapshot, timer);
  }

  /** The core is not asked any more. That a worker has done with the volume, and what has ended, is heard all the same. */
  #lastMessage(channel: Channel, kind: number, words: Int32Array, at: number): void {
    if (kind === Message.VolumeStopped) this.#stopped(channel, words, at);
    else if (kind === Message.Copied) this.#jobsEnded(bitsIn(Copied.endedTargets.get(words, at)));
  }

  #jobsEnded(count: number): void {
    this.jobs -= count;
    if (this.jobs === 0) this.#idle?.();
  }

  /** The way in for what no worker has sent. */
  #enter(event: () => void): void {
    if (this.#ended) return;
    const { switchboard } = this.#parts;
    switchboard.touch(this);
    try {
      event();
    } catch (error) {
      this.#fail(error);
    }
    switchboard.turn();
  }

  /** A shell that has ended gives it up at once. */
  #begin(order: CoreOrder, event: (operation: number) => void): CoreOrder {
    if (this.#ended) this.end();
    else this.#enter(() => event(order.operation));
    return order;
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    this.end();
    this.#events.failed(error);
  }

  #exportOf(token: number): Channel {
    return this.#parts.exports[Math.floor(token / TOKEN_WORKER)];
  }

  /** What a request of a client needs, or has done. */
  #request(channel: Channel, kind: number, words: Int32Array, at: number): void {
    const { core } = this;
    const token = channel.index * TOKEN_WORKER + tokenOf(words, at);
    switch (kind) {
      case Message.NeedChunk:
        this.#needChunk(token, words, at);
        return;
      case Message.NeedOrigin:
        core.needOrigin(token, NeedOrigin.sector.get(words, at), NeedOrigin.sectors.get(words, at));
        return;
      case Message.Claim:
      case Message.ClaimOrigin:
        this.#claim(token, kind, words, at);
        return;
      case Message.NeedReserve:
        this.#reserve(channel, NeedReserve.snapshot.get(words, at), NeedReserve.count.get(words, at));
        return;
      case Message.Written:
        core.written(Written.snapshot.get(words, at), Written.chunk.get(words, at), Written.error.get(words, at));
        return;
      case Message.NeedDurable:
        core.needDurable(token, NeedDurable.snapshot.get(words, at), NeedDurable.sequence.get(words, at));
        return;
      case Message.NeedRange:
        core.needRange(token, NeedRange.snapshot.get(words, at));
        return;
      case Message.NeedExclusive:
        core.needExclusive(token, NeedExclusive.gate.get(words, at));
        return;
      case Message.ExclusiveDone:
        core.exclusiveDone(token, ExclusiveDone.gate.get(words, at));
        return;
      case Message.Drained:
        core.drained(Drained.snapshot.get(words, at), Drained.bucket.get(words, at));
        return;
      case Message.GateDrained:
        core.gateDrained(GateDrained.gate.get(words, at));
        return;
      default:
        unreachable(kind as never, `message from ${channel.role} worker ${channel.index}`);
    }
  }

  #needChunk(token: number, words: Int32Array, at: number): void {
    const snapshot = NeedChunk.snapshot.get(words, at);
    this.core.needChunk(token, snapshot, NeedChunk.chunk.get(words, at), NeedChunk.how.get(words, at));
  }

  #reserve(channel: Channel, snapshot: number, count: number): void {
    const { outbox } = channel;
    const { words } = outbox;
    const epoch = this.core.reserveEpoch(snapshot);
    for (const [first, run] of this.core.reserve(snapshot, count)) {
      const at = outbox.begin(Message.Reserved, this.volume, 0);
      Reserved.snapshot.set(words, at, snapshot);
      Reserved.epoch.set(words, at, epoch);
      Reserved.newChunk.set(words, at, first);
      Reserved.count.set(words, at, run);
    }
  }

  /** ClaimOrigin has the same words. */
  #claim(token: number, kind: number, words: Int32Array, at: number): void {
    const snapshot = Claim.snapshot.get(words, at);
    const epoch = Claim.epoch.get(words, at);
    const chunk = Claim.chunk.get(words, at);
    const newChunk = Claim.newChunk.get(words, at);
    if (kind === Message.Claim) this.core.claim(token, snapshot, chunk, newChunk, epoch);
    else this.core.claimOrigin(token, snapshot, chunk, newChunk, epoch);
  }

  #copied(words: Int32Array, at: number): void {
    const ended = Copied.endedTargets.get(words, at);
    this.#jobsEnded(bitsIn(ended));
    const readError = Copied.readError.get(words, at);
    const failed = Copied.failedTargets.get(words, at);
    this.core.copied(tokenOf(words, at), ended, readError, failed, Copied.writeError.get(words, at));
  }

  #stopped(channel: Channel, words: Int32Array, at: number): void {
    this.#events.stopped(channel, VolumeStopped.requests.get(words, at), VolumeStopped.clients.get(words, at));
  }
}
