/**
 * The shared words of a volume as plain objects, for one thread: what main writes and the fake client reads.
 *
 * They check what main promises: entries only go none → visible → settled, or to none by a merge; the list changes only
 * while the gate is closed and empty; so does the merging range, but for its end.
 */
import { EntryState, SnapshotState } from "../../../src/base/states.ts";
import type { ChunkStretch, GatePort, OriginPorts, SnapshotPorts } from "../../../src/core/ports.ts";

export class FakeGate implements GatePort {
  closed = false;
  /** Announced. */
  count = 0;
  /** Announced, and found the gate open. */
  inside = 0;

  close(): void {
    if (this.closed) throw new Error("the gate is closed already");
    this.closed = true;
  }

  open(): void {
    if (!this.closed) throw new Error("the gate is open already");
    this.closed = false;
  }

  inFlight(): number {
    return this.count;
  }
}

interface Entry {
  readonly newChunk: number;
  state: EntryState;
}

export class FakeTable {
  readonly entries = new Map<number, Entry>();

  stateOf(chunk: number): EntryState {
    return this.entries.get(chunk)?.state ?? EntryState.None;
  }

  newChunkOf(chunk: number): number {
    return this.entries.get(chunk)!.newChunk;
  }

  /** Memory for a table is refused. */
  isFull = false;

  makeRoomFor(): boolean {
    return !this.isFull;
  }

  publish(oldChunk: number, newChunk: number, state: EntryState): void {
    if (this.entries.has(oldChunk)) throw new Error(`chunk ${oldChunk} published twice`);
    this.entries.set(oldChunk, { newChunk, state });
  }

  settle(oldChunk: number): void {
    const entry = this.entries.get(oldChunk);
    if (entry?.state !== EntryState.Visible) throw new Error(`chunk ${oldChunk} settles without being visible`);
    entry.state = EntryState.Settled;
  }

  remove(oldChunk: number): void {
    if (!this.entries.delete(oldChunk)) throw new Error(`chunk ${oldChunk} is not there`);
  }

  count(): number {
    return this.entries.size;
  }
}

/** Few buckets, so that chunks share them. */
const BUCKETS = 4;

export class FakeTracking {
  readonly bucketCount = BUCKETS;
  readonly counters: [number, number][] = Array.from({ length: BUCKETS }, () => [0, 0]);
  readonly parities: number[] = new Array<number>(BUCKETS).fill(0);
  readonly waiting: boolean[] = new Array<boolean>(BUCKETS).fill(false);

  bucketOf(chunk: number): number {
    return chunk % BUCKETS;
  }

  parity(bucket: number): number {
    return this.parities[bucket]!;
  }

  flip(bucket: number): void {
    this.parities[bucket] = 1 - this.parities[bucket]!;
  }

  readers(bucket: number, parity: number): number {
    return this.counters[bucket]![parity]!;
  }

  awaitDrain(bucket: number): void {
    this.waiting[bucket] = true;
  }
}

export class FakeSnapshotPorts implements SnapshotPorts {
  readonly table = new FakeTable();
  readonly tracking = new FakeTracking();
  readonly writeGate = new FakeGate();
  readonly readGate = new FakeGate();
  state: SnapshotState = SnapshotState.Absent;
  visible = 0;
  durable = 0;
  reserveEpoch = 0;
  /** What is being merged; a step of its own sets it, and ends it. */
  range: readonly ChunkStretch[] = [];
  readonly words = {
    setState: (state: SnapshotState): void => void (this.state = state),
    setVisible: (sequence: number): void => void (this.visible = sequence),
    setDurable: (sequence: number): void => void (this.durable = sequence),
    setReserveEpoch: (epoch: number): void => void (this.reserveEpoch = epoch),
    setMergeRange: (stretches: readonly ChunkStretch[]): void => {
      if (!this.writeGate.closed || this.writeGate.inside > 0) throw new Error("the merging range grows under writes");
      if (this.range.length > 0) throw new Error("one merging range at a time");
      this.range = stretches;
    },
    clearMergeRange: (): void => void (this.range = []),
  };
}

export class FakeOriginPorts implements OriginPorts {
  readonly writeGate = new FakeGate();
  readonly readGate = new FakeGate();
  list: readonly number[] = [];
  merging = -1;
  /** Requests that have ended. */
  ended = 0;

  requests(): number {
    return this.ended;
  }

  setList(snapshots: readonly number[]): void {
    if (!this.writeGate.closed || this.writeGate.inside > 0) throw new Error("the list changes under origin writes");
    this.list = snapshots;
  }

  setMerging(snapshot: number): void {
    for (const gate of [this.writeGate, this.readGate]) {
      if (!gate.closed || gate.inside > 0) throw new Error("the merging volume changes under requests");
    }
    this.merging = snapshot;
  }
}
