/**
 * The shell around the core: worker messages become events, the core's effects become messages. Runs on main.
 *
 *   workers                shell                                  core
 *     │ NEED… ────────────▶ turn: drain every inbox ── event ────▶ │
 *     │                       effects ◀──────────────────────────  │
 *     │ ◀── RELEASED, COPY… ─ one publish, one wake per worker     │
 *
 * Whatever comes from outside (a wake-up, a timer, an order, an answer of the register) comes in through `#enter` or `turn`. What it throws
 * is a defect of ours, and after it the core cannot be trusted: the shell ends, what was ordered fails, and the volume is told, once. What
 * the program around us wants to hear (`notice`) is told after the turn, when the core may be called again.
 *
 * One turn handles whatever has come from all workers, lets the core form its commits once, then rings each doorbell
 * once. A token carries the worker that asked: worker × 65536 + piece. The core never sees rings, the workers never decide.
 */
import { unreachable } from "../base/assert.ts";
import { errno, errnoOf } from "../base/errno.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { Core } from "../core/core.ts";
import type { CopyJob, Effects, MetadataJob, NoticeKind, Registration } from "../core/ports.ts";
import { kindOf, tokenOf } from "../ring/message-field.ts";
import { type CloseCause, Message } from "../ring/messages.ts";
import { Claim, ConnectionClosed, ControlTaken, Copied, Drained, ExclusiveDone, GateDrained } from "../ring/to-main.ts";
import { MetadataDone, NeedChunk, NeedDurable, NeedExclusive, NeedOrigin } from "../ring/to-main.ts";
import { NeedRange, NeedReserve, Stopped, Written } from "../ring/to-main.ts";
import { CopyRead, CopyWrite, ExclusiveGranted, Granted, Released, Reserved } from "../ring/to-workers.ts";
import type { Channel } from "./channel.ts";
import { MetadataSender } from "./metadata-sender.ts";
import type { Threads } from "./threads.ts";

const TOKEN_WORKER = 65536;

/** Rounds of a turn before the event loop has its turn again. */
const ROUNDS_PER_TURN = 16;
/** After the end nothing is urgent, and a ring that nobody empties stays full. */
const LAST_ROUND_MS = 10;

export interface ShellEvents {
  /** Record it in the register; resolves when it is durable (E-46). */
  register(snapshot: number, what: Registration): Promise<void>;
  notice(snapshot: number, event: NoticeKind, error: number): void;
  /** The worker has finished with a connection. */
  connectionClosed(connection: number, cause: CloseCause): void;
  /** A group of exceptions is durable. */
  committed?(snapshot: number): void;
  /** A client's handshake is over. */
  entered(connection: number): void;
  /** A client of this worker waits for memory that others hold. */
  waiting(worker: Channel): void;
  /** Something has thrown; the shell does nothing any more. */
  failed(error: unknown): void;
}

export class CoreShell implements Effects {
  readonly #threads: Threads;
  readonly #events: ShellEvents;
  readonly #metadata: MetadataSender;
  readonly #groupWaitMs: number;
  readonly #operations = new Map<number, (error: number, message: string) => void>();
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #notices: (() => void)[] = [];
  /** The core that this shell serves. */
  readonly core: Core;
  #nextOperation = 1;
  #nextCopy = 0;
  #turning = false;
  #again = false;
  #ended = false;
  /** Messages of workers so far: requests, and ends of what they did. */
  heard = 0;

  /** `groupWaitMs`: the time of S-54. `newCore`: the core and its shell know each other, so one makes the other. */
  constructor(threads: Threads, events: ShellEvents, groupWaitMs: number, newCore: (effects: Effects) => Core) {
    this.#threads = threads;
    this.#events = events;
    this.#groupWaitMs = groupWaitMs;
    this.#metadata = new MetadataSender(threads.metadata, (job, error, bytes) => this.#metadataDone(job, error, bytes));
    this.core = newCore(this);
  }

  /** Run an event of the core that ends with `finished`: resolves then, or when the shell ends. `message` names what failed. */
  operate(event: (operation: number) => void): Promise<{ error: number; message: string }> {
    const operation = this.#nextOperation++;
    return new Promise((resolve) => {
      this.#operations.set(operation, (error, message) => resolve({ error, message }));
      if (this.#ended) this.end();
      else this.#enter(() => event(operation));
    });
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
    for (const notice of this.#notices.splice(0)) notice();
    if (this.#ended) this.#hearLast();
    // The event loop has its turn, too: more messages, or a ring that was full, come after it.
    if (this.#again && !this.#ended) setImmediate(() => this.turn());
  }

  /** The COW device has another size: 0 or an error number; undefined: the core has failed (E-45). */
  grow(snapshot: number, cowSectors: number): number | undefined {
    let error: number | undefined;
    this.#enter(() => {
      error = this.core.grow(snapshot, cowSectors);
    });
    return error;
  }

  /** The rest after a step of a paced merge is over (E-26). */
  mergeContinue(): void {
    this.#enter(() => this.core.mergeContinue());
  }

  /** Nothing is handled any more; what was ordered and is not over fails. A second call does nothing more. */
  end(): void {
    this.#ended = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const settle of this.#operations.values()) settle(errno.EIO, "the volume has ended");
    this.#operations.clear();
  }

  copy(job: CopyJob): void {
    const { copies } = this.#threads;
    const { outbox } = copies[this.#nextCopy];
    this.#nextCopy = (this.#nextCopy + 1) % copies.length;
    const { id, source, sector, sectors, targets } = job;
    const { words } = outbox;
    const read = outbox.begin(Message.CopyRead, id);
    CopyRead.file.set(words, read, source);
    CopyRead.position.set(words, read, sector * SECTOR_BYTES);
    CopyRead.bytes.set(words, read, sectors * SECTOR_BYTES);
    CopyRead.targets.set(words, read, targets.length);
    for (const target of targets) {
      const at = outbox.begin(Message.CopyWrite, id);
      CopyWrite.file.set(words, at, target.device);
      CopyWrite.position.set(words, at, target.sector * SECTOR_BYTES);
      CopyWrite.bytes.set(words, at, target.sectors * SECTOR_BYTES);
      CopyWrite.offset.set(words, at, target.offsetSectors * SECTOR_BYTES);
    }
  }

  metadata(job: MetadataJob): void {
    this.#metadata.send(job);
  }

  grant(token: number, snapshot: number, chunk: number, newChunk: number, whole: boolean): void {
    const { outbox } = this.#exportOf(token);
    const { words } = outbox;
    const at = outbox.begin(Message.Granted, token % TOKEN_WORKER);
    Granted.snapshot.set(words, at, snapshot);
    Granted.chunk.set(words, at, chunk);
    Granted.newChunk.set(words, at, newChunk);
    Granted.whole.set(words, at, whole);
  }

  grantExclusive(token: number, gate: number): void {
    const { outbox } = this.#exportOf(token);
    const at = outbox.begin(Message.ExclusiveGranted, token % TOKEN_WORKER);
    ExclusiveGranted.gate.set(outbox.words, at, gate);
  }

  release(token: number, error: number): void {
    const { outbox } = this.#exportOf(token);
    const at = outbox.begin(Message.Released, token % TOKEN_WORKER);
    Released.error.set(outbox.words, at, error);
  }

  register(snapshot: number, what: Registration): void {
    this.#events.register(snapshot, what).then(
      () => this.#enter(() => this.core.registered(snapshot, 0)),
      (error: unknown) => this.#enter(() => this.core.registered(snapshot, errnoOf(error))),
    );
  }

  finished(operation: number, error: number, message: string): void {
    const settle = this.#operations.get(operation);
    this.#operations.delete(operation);
    settle?.(error, message);
  }

  notice(snapshot: number, event: NoticeKind, error: number): void {
    this.#notices.push(() => this.#events.notice(snapshot, event, error));
  }

  armTimer(snapshot: number): void {
    if (this.#timers.has(snapshot)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(snapshot);
      this.#enter(() => this.core.tick(snapshot));
    }, this.#groupWaitMs);
    timer.unref();
    this.#timers.set(snapshot, timer);
  }

  #round(): void {
    this.#again = false;
    for (const channel of this.#threads.all) this.#drain(channel);
    this.core.turn();
    for (const channel of this.#threads.all) {
      if (channel.outbox.flush()) this.#again = true;
    }
    for (const channel of this.#threads.all) {
      if (!channel.inbox.prepareSleep()) this.#again = true;
    }
  }

  /** The core is not asked any more. That a client's stream may end, and that a worker has, is heard all the same. */
  #hearLast(): void {
    let again = false;
    for (const channel of this.#threads.all) {
      if (channel.isClosed) continue;
      this.#drain(channel);
      if (!channel.dead && channel.outbox.flush()) again = true;
      if (!channel.inbox.prepareSleep()) again = true;
    }
    if (again) setTimeout(() => this.turn(), LAST_ROUND_MS);
  }

  /** The way in for everything but the wake-up. */
  #enter(event: () => void): void {
    if (this.#ended) return;
    try {
      event();
    } catch (error) {
      this.#fail(error);
    }
    this.turn();
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    this.end();
    this.#events.failed(error);
  }

  #exportOf(token: number): Channel {
    return this.#threads.exports[Math.floor(token / TOKEN_WORKER)];
  }

  #drain(channel: Channel): void {
    const { inbox } = channel;
    inbox.awake();
    for (let at = inbox.peek(); at >= 0; at = inbox.peek()) {
      if (this.#ended) this.#lastMessage(channel, inbox.words, at);
      else this.#message(channel, inbox.words, at);
      inbox.advance();
      this.heard += 1;
    }
  }

  #lastMessage(channel: Channel, words: Int32Array, at: number): void {
    const kind = kindOf(words, at);
    if (kind === Message.Stopped) this.#stopped(channel, words, at);
    else if (kind === Message.ConnectionClosed) this.#connectionClosed(words, at);
  }

  /** Most come from export workers and are about exceptions; the others are about threads and connections. */
  #message(channel: Channel, words: Int32Array, at: number): void {
    const kind = kindOf(words, at);
    if (kind === Message.Copied) this.#copied(words, at);
    else if (kind === Message.MetadataDone) this.#metadata.done(tokenOf(words, at), MetadataDone.error.get(words, at));
    else if (!this.#request(channel, words, at)) this.#news(channel, words, at);
  }

  /** What a request of a client needs, or has done. False: the message is about something else. */
  #request(channel: Channel, words: Int32Array, at: number): boolean {
    const { core } = this;
    const token = channel.index * TOKEN_WORKER + tokenOf(words, at);
    switch (kindOf(words, at)) {
      case Message.NeedChunk:
        this.#needChunk(token, words, at);
        return true;
      case Message.NeedOrigin:
        core.needOrigin(token, NeedOrigin.sector.get(words, at), NeedOrigin.sectors.get(words, at));
        return true;
      case Message.Claim:
      case Message.ClaimOrigin:
        this.#claim(token, words, at);
        return true;
      case Message.NeedReserve:
        this.#reserve(channel, NeedReserve.snapshot.get(words, at), NeedReserve.count.get(words, at));
        return true;
      case Message.Written:
        core.written(Written.snapshot.get(words, at), Written.chunk.get(words, at), Written.error.get(words, at));
        return true;
      case Message.NeedDurable:
        core.needDurable(token, NeedDurable.snapshot.get(words, at), NeedDurable.sequence.get(words, at));
        return true;
      case Message.NeedRange:
        core.needRange(token, NeedRange.snapshot.get(words, at));
        return true;
      case Message.NeedExclusive:
        core.needExclusive(token, NeedExclusive.gate.get(words, at));
        return true;
      case Message.ExclusiveDone:
        core.exclusiveDone(token, ExclusiveDone.gate.get(words, at));
        return true;
      case Message.Drained:
        core.drained(Drained.snapshot.get(words, at), Drained.bucket.get(words, at));
        return true;
      case Message.GateDrained:
        core.gateDrained(GateDrained.gate.get(words, at));
        return true;
      default:
        return false;
    }
  }

  /** Of a connection, or of the thread itself. */
  #news(channel: Channel, words: Int32Array, at: number): void {
    const kind = kindOf(words, at);
    if (kind === Message.ConnectionClosed) this.#connectionClosed(words, at);
    else if (kind === Message.Entered) this.#events.entered(tokenOf(words, at));
    else if (kind === Message.Waiting) this.#events.waiting(channel);
    else if (kind === Message.ControlTaken) channel.controlTaken(ControlTaken.error.get(words, at));
    else if (kind === Message.Stopped) this.#stopped(channel, words, at);
    else unreachable(kind as never, `message from ${channel.role} worker ${channel.index}`);
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
      const at = outbox.begin(Message.Reserved, 0);
      Reserved.snapshot.set(words, at, snapshot);
      Reserved.epoch.set(words, at, epoch);
      Reserved.newChunk.set(words, at, first);
      Reserved.count.set(words, at, run);
    }
  }

  /** ClaimOrigin has the same words. */
  #claim(token: number, words: Int32Array, at: number): void {
    const snapshot = Claim.snapshot.get(words, at);
    const epoch = Claim.epoch.get(words, at);
    const chunk = Claim.chunk.get(words, at);
    const newChunk = Claim.newChunk.get(words, at);
    if (kindOf(words, at) === Message.Claim) this.core.claim(token, snapshot, chunk, newChunk, epoch);
    else this.core.claimOrigin(token, snapshot, chunk, newChunk, epoch);
  }

  #copied(words: Int32Array, at: number): void {
    const readError = Copied.readError.get(words, at);
    const failed = Copied.failedTargets.get(words, at);
    const ended = Copied.endedTargets.get(words, at);
    this.core.copied(tokenOf(words, at), ended, readError, failed, Copied.writeError.get(words, at));
  }

  #connectionClosed(words: Int32Array, at: number): void {
    this.#events.connectionClosed(tokenOf(words, at), ConnectionClosed.cause.get(words, at));
  }

  #stopped(channel: Channel, words: Int32Array, at: number): void {
    channel.hasStopped(Stopped.requests.get(words, at), Stopped.clients.get(words, at));
  }

  #metadataDone(job: MetadataJob, error: number, bytes: Uint8Array | undefined): void {
    if (job.kind === "readArea") this.core.areaRead(job.snapshot, error, bytes ?? new Uint8Array(0));
    else this.core.metadataDone(job.snapshot, error);
    if (job.kind === "commit" && error === 0) this.#events.committed?.(job.snapshot);
  }
}
