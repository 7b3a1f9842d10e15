/**
 * The core on a bench: every effect is written down, every event is the test's. Nothing happens by itself.
 *
 * Ports are the fake ones; a snapshot is opened from a list of exceptions, as if it had been loaded.
 */
import { EntryState } from "../../../src/base/states.ts";
import { Core } from "../../../src/core/core.ts";
import type { CoreOptions } from "../../../src/core/core-options.ts";
import type { NewSnapshot } from "../../../src/core/life-cycle.ts";
import { transientStore } from "../../../src/core/loaded-store.ts";
import {
  allTargets,
  type CopyJob,
  type CreationStep,
  type Effects,
  type MetadataJob,
  type NoticeKind,
} from "../../../src/core/ports.ts";
import type { RoomPolicy } from "../../../src/core/room-policy.ts";
import type { StoreKind } from "../../../src/format/table-line.ts";
import { openImage, storeImage, type ExceptionPair } from "../store-image.ts";
import { FakeOriginPorts, FakeSnapshotPorts } from "./fake-ports.ts";

export interface BenchSnapshot {
  readonly store?: StoreKind;
  /** In sectors; 8 if it is not given. */
  readonly chunk?: number;
  readonly cowSectors?: number;
  readonly exceptions?: readonly ExceptionPair[];
  readonly registered?: boolean;
  /** The register says that it merges (E-36). */
  readonly merging?: boolean;
  readonly room?: RoomPolicy;
  readonly blockBytes?: number;
  /** Changes the image before it is opened. */
  readonly spoil?: (image: Uint8Array) => void;
}

export class CoreBench implements Effects {
  readonly core: Core;
  readonly originPorts = new FakeOriginPorts();
  readonly ports: FakeSnapshotPorts[] = [];
  /** What was asked for, in order, as short words: "copy 0", "commit 0", "release 5 0" … */
  readonly log: string[] = [];
  readonly copies: CopyJob[] = [];
  readonly metadataJobs: MetadataJob[] = [];
  readonly released = new Map<number, number>();
  readonly granted = new Map<number, number>();
  readonly exclusives: number[] = [];
  /** Creations that wait for the origin's flush. */
  readonly flushes: number[] = [];
  readonly finishedWith = new Map<number, number>();
  readonly messages = new Map<number, string>();
  /** Which snapshot of several an operation has failed with. */
  readonly failed = new Map<number, number>();
  /** Snapshots for which room was asked, since the beginning. */
  readonly wants: number[] = [];
  /** Levels are written down, too. */
  levels = false;
  #operation = 1000;

  constructor(originSectors: number, options: Partial<CoreOptions> = {}) {
    this.core = new Core(this, this.originPorts, originSectors, options);
  }

  /** Open a snapshot at the next index; a new one if no exceptions are given. */
  open(spec: BenchSnapshot = {}): FakeSnapshotPorts {
    const { store = "P", chunk = 8, cowSectors = 4096, exceptions, registered = false, blockBytes = 512 } = spec;
    const { merging = false } = spec;
    const ports = new FakeSnapshotPorts();
    const index = this.ports.push(ports) - 1;
    const image =
      exceptions === undefined ? new Uint8Array(cowSectors * 512) : storeImage(cowSectors * 512, chunk, exceptions);
    spec.spoil?.(image);
    const opened = openImage(image, { chunkSectors: chunk });
    const loaded = store === "N" ? transientStore(chunk, cowSectors) : opened.loaded;
    if (store !== "N") for (const [o, n] of opened.exceptions) ports.table.publish(o, n, EntryState.Settled);
    this.core.openSnapshot(
      this.#operation++,
      { index, store, ports, metadataBlockBytes: blockBytes, registered, merging, room: spec.room },
      loaded,
    );
    // What was read is flushed (C-49), a new store made.
    while (this.metadataJobs.some((job) => job.snapshot === index)) this.metadataDone(index);
    this.clear();
    return ports;
  }

  /** Begin an online creation at the next index; the operation's number. */
  create(chunk = 8, cowSectors = 4096, registered = true): number {
    return this.operation((operation) => {
      const { config, loaded } = this.#newSnapshot(chunk, cowSectors, registered);
      this.core.createSnapshot(operation, config, loaded);
    });
  }

  /** Several at the next indices, of one moment. */
  createAll(count: number, halts: boolean): number {
    const made = Array.from({ length: count }, () => this.#newSnapshot(8, 4096, true));
    return this.operation((operation) => this.core.createSnapshots(operation, made, halts));
  }

  #newSnapshot(chunk: number, cowSectors: number, registered: boolean): NewSnapshot {
    const ports = new FakeSnapshotPorts();
    const index = this.ports.push(ports) - 1;
    const { loaded } = openImage(new Uint8Array(cowSectors * 512), { chunkSectors: chunk });
    return { config: { index, store: "P", ports, metadataBlockBytes: 512, registered }, loaded };
  }

  operation(start: (operation: number) => void): number {
    const operation = this.#operation++;
    start(operation);
    return operation;
  }

  /** Forget what was written down. */
  clear(): void {
    this.log.length = 0;
  }

  /** The log since the last call. */
  take(): readonly string[] {
    return this.log.splice(0);
  }

  /** The oldest copy that has not been answered ends well. */
  copied(...failures: [readError: number, mask?: number, writeError?: number] | []): void {
    const job = this.copies.shift()!;
    this.core.copied(job.id, allTargets(job), failures[0] ?? 0, failures[1] ?? 0, failures[2] ?? 0);
  }

  /** Some targets of the oldest copy end; the others are under way. */
  targetsCopied(endedTargets: number, ...failures: [readError: number, mask?: number, writeError?: number] | []): void {
    const [readError = 0, mask = 0, writeError = 0] = failures;
    this.core.copied(this.copies[0]!.id, endedTargets, readError, mask, writeError);
  }

  /** The oldest metadata job of the snapshot ends. */
  metadataDone(index = 0, error = 0): MetadataJob {
    const at = this.metadataJobs.findIndex((job) => job.snapshot === index);
    const [job] = this.metadataJobs.splice(at, 1);
    this.core.metadataDone(index, error);
    return job!;
  }

  /** The oldest flush of the origin for a creation ends. */
  originFlushed(error = 0): void {
    this.core.tellCreation(this.flushes.shift()!, (creation) => creation.originFlushed(error));
  }

  /** The exceptions in the bytes that a commit writes. */
  groupOf(job: MetadataJob | undefined): readonly ExceptionPair[] {
    if (job?.kind !== "commit") throw new Error("not a commit");
    const view = new DataView(job.bytes.buffer, job.bytes.byteOffset, job.bytes.length);
    const pairs: [number, number][] = [];
    for (let at = 0; at < job.bytes.length; at += 16) {
      const newChunk = Number(view.getBigUint64(at + 8, true));
      if (newChunk !== 0) pairs.push([Number(view.getBigUint64(at, true)), newChunk]);
    }
    return pairs;
  }

  // ---- effects ----

  copy(job: CopyJob): void {
    this.copies.push(job);
    this.log.push(`copy ${job.source}→${job.targets.map((target) => target.device).join(",")}`);
  }

  metadata(job: MetadataJob): void {
    this.metadataJobs.push(job.kind === "commit" ? { ...job, bytes: job.bytes.slice() } : job);
    this.log.push(job.kind === "flush" ? `flush device ${job.device}` : `${job.kind} ${job.snapshot}`);
  }

  grant(token: number, _snapshot: number, _chunk: number, newChunk: number): void {
    this.granted.set(token, newChunk);
    this.log.push(`grant ${token} ${newChunk}`);
  }

  grantExclusive(token: number): void {
    this.exclusives.push(token);
    this.log.push(`exclusive ${token}`);
  }

  release(token: number, error: number): void {
    if (this.released.has(token)) throw new Error("a token is answered twice");
    this.released.set(token, error);
    this.log.push(`release ${token} ${error}`);
  }

  register(snapshot: number, what: string): void {
    this.log.push(`register ${snapshot} ${what}`);
  }

  creation(_operation: number, step: CreationStep): void {
    this.log.push(step);
  }

  flushOrigin(operation: number): void {
    this.flushes.push(operation);
    this.log.push("flush origin");
  }

  finished(operation: number, error: number, message: string, snapshot?: number): void {
    if (snapshot !== undefined) this.failed.set(operation, snapshot);
    this.finishedWith.set(operation, error);
    this.messages.set(operation, message);
    this.log.push(`finished ${error}`);
  }

  notice(snapshot: number, event: NoticeKind): void {
    this.log.push(`notice ${snapshot} ${event}`);
  }

  wantRoom(snapshot: number): void {
    this.wants.push(snapshot);
    this.log.push(`want room ${snapshot}`);
  }

  level(snapshot: number, percent: number, rising: boolean): void {
    if (this.levels) this.log.push(`level ${snapshot} ${percent} ${rising ? "up" : "down"}`);
  }

  armTimer(snapshot: number): void {
    this.log.push(`timer ${snapshot}`);
  }
}
