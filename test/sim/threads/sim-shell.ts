/**
 * The product's shell around the core, but for what takes real time: timers go off, and the registry answers, when a life says so.
 */
import type { Core } from "../../../src/core/core.ts";
import type {
  CreationHalt,
  CreationStep,
  DeviceId,
  Effects,
  NoticeKind,
  Registration,
} from "../../../src/core/ports.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import { CoreShell } from "../../../src/engine/core-shell.ts";
import type { FakeDisk } from "../../support/core/fake-disk.ts";
import type { SimEngine } from "./sim-engine.ts";

export interface SimShellParts {
  readonly engine: SimEngine;
  readonly volume: number;
  readonly origin: FakeDisk;
  readonly fileOf: (device: DeviceId) => number;
  readonly newCore: (effects: Effects) => Core;
  /** The volume has no client and no request in this worker any more. */
  readonly stopped: (worker: Channel) => void;
}

/** Of one creation. */
export interface GroupedSteps {
  /** It waits there; in a turn of its own. */
  readonly reached: (halt: CreationHalt) => void;
  /** At once. */
  readonly stepped: (step: CreationStep) => void;
}

export class SimShell extends CoreShell {
  readonly notices: { readonly snapshot: number; readonly event: NoticeKind; readonly error: number }[] = [];
  readonly results = new Map<number, { readonly error: number }>();
  readonly registry = new Map<number, string>();
  readonly timers: number[] = [];
  /** Snapshots for which room was asked; whoever answers takes them out. */
  readonly wants = new Set<number>();
  /** Records on their way to the register, flushes of the origin, and answers on their way back. */
  records = 0;
  hasEnded = false;
  /** Who hears how far a creation of a group has come. */
  readonly grouped = new Map<number, GroupedSteps>();
  readonly #engine: SimEngine;
  readonly #origin: FakeDisk;

  constructor({ engine, volume, origin, fileOf, newCore, stopped }: SimShellParts) {
    const register = (): Promise<never> => Promise.reject(new Error("this shell does it by itself"));
    const notice = (snapshot: number, event: NoticeKind, error: number): void =>
      void this.notices.push({ snapshot, event, error });
    const wantRoom = (snapshot: number): void => void this.wants.add(snapshot);
    // What the product makes of it is not to be seen here: a life fails with the cause.
    const failed = (error: unknown): never => {
      throw error;
    };
    const { channels, switchboard, metadata } = engine;
    super({
      switchboard,
      volume,
      exports: channels.exports as unknown as readonly Channel[],
      copies: channels.copies as unknown as readonly Channel[],
      metadata,
      fileOf,
      events: { register, flushOrigin: register, notice, wantRoom, level: () => undefined, failed, stopped },
      groupWaitMs: 0,
      newCore,
    });
    this.#engine = engine;
    this.#origin = origin;
  }

  override register(snapshot: number, what: Registration): void {
    this.records += 1;
    // Something may happen between the record and the answer.
    this.#later(() => {
      this.registry.set(snapshot, what);
      this.#later(() => {
        this.records -= 1;
        if (!this.hasEnded) this.core.registered(snapshot, 0);
      });
    });
  }

  override creation(operation: number, step: CreationStep): void {
    const steps = this.grouped.get(operation);
    if (steps === undefined) return;
    steps.stepped(step);
    if (step === "closing" || step === "opened") return;
    this.#later(() => {
      if (!this.hasEnded) steps.reached(step);
    });
  }

  override flushOrigin(operation: number): void {
    this.records += 1;
    this.#later(() => {
      const error = this.#origin.flush();
      this.#later(() => {
        this.records -= 1;
        if (this.hasEnded) return;
        this.core.tellCreation(operation, (creation) => creation.originFlushed(error));
      });
    });
  }

  override end(): void {
    this.hasEnded = true;
    super.end();
  }

  #later(happen: () => void): void {
    const { later, switchboard } = this.#engine;
    later.push(() => {
      switchboard.touch(this);
      happen();
    });
  }

  override finished(operation: number, error: number): void {
    this.results.set(operation, { error });
  }

  override armTimer(snapshot: number): void {
    if (!this.timers.includes(snapshot)) this.timers.push(snapshot);
  }
}
