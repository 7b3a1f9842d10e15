/**
 * The product's shell around the core, but for what takes real time: timers go off, and the registry answers, when a life says so.
 */
import type { Core } from "../../../src/core/core.ts";
import type { Effects, NoticeKind, Registration } from "../../../src/core/ports.ts";
import { CoreShell } from "../../../src/engine/core-shell.ts";
import type { Threads } from "../../../src/engine/threads.ts";
import type { SimChannel } from "./sim-thread.ts";

export interface SimThreads {
  readonly exports: readonly SimChannel[];
  readonly copies: readonly SimChannel[];
  readonly metadata: SimChannel;
  readonly all: readonly SimChannel[];
}

export class SimShell extends CoreShell {
  readonly notices: { readonly snapshot: number; readonly event: NoticeKind; readonly error: number }[] = [];
  readonly results = new Map<number, { readonly error: number }>();
  readonly registry = new Map<number, string>();
  readonly timers: number[] = [];
  /** What is to happen on main, each in a turn of its own. */
  readonly later: (() => void)[] = [];

  constructor(
    threads: SimThreads,
    connectionClosed: (connection: number) => void,
    newCore: (effects: Effects) => Core,
  ) {
    const register = (): Promise<void> => Promise.reject(new Error("this shell registers by itself"));
    const notice = (snapshot: number, event: NoticeKind, error: number): void =>
      void this.notices.push({ snapshot, event, error });
    // What the product makes of it is not to be seen here: a life fails with the cause.
    const failed = (error: unknown): never => {
      throw error;
    };
    const events = { register, notice, connectionClosed, failed, entered: () => {}, waiting: () => {} };
    super(threads as unknown as Threads, events, 0, newCore);
  }

  override register(snapshot: number, what: Registration): void {
    // Something may happen between the record and the answer.
    this.later.push(() => {
      this.registry.set(snapshot, what);
      this.later.push(() => this.core.registered(snapshot, 0));
    });
  }

  override finished(operation: number, error: number): void {
    this.results.set(operation, { error });
  }

  override armTimer(snapshot: number): void {
    if (!this.timers.includes(snapshot)) this.timers.push(snapshot);
  }
}
