/**
 * Main's end of the connection to one worker: a ring each way, a way to wake it, and a port for what rings cannot carry.
 *
 *   main                                    worker
 *   outbox ───── toWorker ring ───────────▶ inbox
 *   inbox  ◀──── toMain ring ────────────── outbox
 *   control(message): port.postMessage, then Control through the ring ──▶ taken from the port, ControlTaken back
 *
 * All shared memory of a worker is held here until its thread has ended, for the kernel may write into it until then.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { type ErrnoName, SnapringError } from "../base/errno.ts";
import { returnMemory } from "../device/cleared-memory.ts";
import { closeWakeHandle, newWakeHandle, waker } from "../device/wake-handle.ts";
import { errnoError } from "../device/system-error.ts";
import { newSharedPages } from "../device/shared-pages.ts";
import { createCounters } from "../ring/counters.ts";
import { Message } from "../ring/messages.ts";
import { Outbox } from "../ring/outbox.ts";
import { createRing, RingConsumer } from "../ring/spsc-ring.ts";
import { Control } from "../ring/to-workers.ts";
import type { RingMode, WakeHandle, WorkerData } from "../ring/worker-data.ts";

/** What a thread does: serve clients, copy chunks, or write headers and areas. */
export type WorkerRole = "export" | "copy" | "metadata";

/** Messages that fit a ring; more are queued by the sender. */
const RING_CAPACITY = 4096;

/** What a worker says through its port where it cannot start. */
interface StartWord {
  readonly refused?: StartRefusal;
}

export interface StartRefusal {
  readonly code: ErrnoName;
  readonly message: string;
  readonly hint: string | undefined;
}

export interface ChannelOptions {
  readonly role: WorkerRole;
  /** Number among the workers of its role. */
  readonly index: number;
  readonly arenaBytes: number;
  readonly mode: RingMode;
  readonly wakeMain: WakeHandle;
}

export class Channel {
  readonly role: WorkerRole;
  readonly index: number;
  readonly arena: SharedArrayBuffer;
  readonly counters: Float64Array;
  readonly inbox: RingConsumer;
  readonly outbox: Outbox;
  readonly workerData: WorkerData;
  /** The worker's end; transferred to it. */
  readonly workerPort: MessagePort;
  /** The thread has ended by an error. */
  dead = false;
  /** It has been told to stop: its thread may end. */
  told = false;
  /** The kind of the worker's ring, once it has said so. */
  ringKind = "";
  readonly #port: MessagePort;
  #refused: StartRefusal | undefined;
  #sent = 0;
  readonly #taken: ((error: Error | undefined) => void)[] = [];
  #stopped: (() => void) | undefined;
  #closed = false;
  /** It has said that nothing is under way. */
  #quiet = false;
  readonly stopped: Promise<void>;

  constructor(options: ChannelOptions) {
    const { role, index, mode, wakeMain } = options;
    this.role = role;
    this.index = index;
    this.arena = newSharedPages(options.arenaBytes);
    const toWorker = createRing(RING_CAPACITY);
    const toMain = createRing(RING_CAPACITY);
    const counters = createCounters();
    const wakeWorker = newWakeHandle();
    this.counters = new Float64Array(counters);
    this.inbox = new RingConsumer(toMain);
    this.outbox = new Outbox(toWorker, waker(wakeWorker));
    const { port1, port2 } = new MessageChannel();
    port1.unref();
    this.#port = port1;
    this.workerPort = port2;
    const { arena } = this;
    this.workerData = { arena, toWorker, toMain, counters, wakeWorker, wakeMain, mode };
    this.stopped = new Promise((resolve) => {
      this.#stopped = resolve;
    });
  }

  /**
   * Resolves when the worker has taken the message; rejects with a SnapringError where the machine has refused it what that takes (EMFILE,
   * ENOMEM), which leaves the worker as it was. The caller flushes the outbox.
   */
  control(message: unknown): Promise<void> {
    if (this.dead || this.#closed)
      return Promise.reject(new SnapringError("EIO", `${this.role} worker ${this.index} has died`));
    this.#port.postMessage(message);
    const at = this.outbox.begin(Message.Control, 0, 0);
    Control.sequence.set(this.outbox.words, at, this.#sent++);
    return new Promise((resolve, reject) => {
      this.#taken.push((error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  /** What its thread, which has ended by it, could not have at its start. */
  get refused(): StartRefusal | undefined {
    const word = receiveMessageOnPort(this.#port)?.message as StartWord | undefined;
    this.#refused ??= word?.refused;
    return this.#refused;
  }

  /** `error`: 0, or with what the machine has refused it. */
  controlTaken(error = 0): void {
    const refusal =
      error === 0 ? undefined : errnoError(error, `${this.role} worker ${this.index} cannot take a device`);
    this.#taken.shift()?.(refusal);
  }

  /** Its loop has ended, and nothing is under way. */
  hasStopped(): void {
    this.#quiet = true;
    this.#stopped?.();
  }

  /** The thread has died: nobody waits for it any longer. */
  failed(error: Error): void {
    this.dead = true;
    this.#giveUp(error);
  }

  #giveUp(error: Error): void {
    for (const taken of this.#taken.splice(0)) taken(error);
    this.#stopped?.();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Its thread has ended. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#giveUp(new SnapringError("EIO", `${this.role} worker ${this.index} has ended`));
    this.#port.close();
    closeWakeHandle(this.workerData.wakeWorker);
    // The kernel may go on with what a worker that died had under way: its memory is nobody's any more.
    if (this.#quiet && !this.dead) returnMemory(this.arena);
  }
}
