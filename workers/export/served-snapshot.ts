/**
 * An export worker's view of one snapshot: its table, its words with the tracked-read counters, its gates and its COW device.
 */
import { assert } from "../../src/base/assert.ts";
import { exportCounters } from "../../src/ring/counters.ts";
import type { GatePass } from "../../src/ring/gate.ts";
import type { SnapshotDescription } from "../../src/ring/worker-data.ts";
import { snapshotReadGate, snapshotWriteGate } from "../../src/base/gate-numbers.ts";
import type { VolumeReader } from "../../src/ring/volume-words.ts";
import { SnapshotWordsReader } from "../../src/table/snapshot-words.ts";
import { createTable } from "../../src/table/table-layout.ts";
import { TableReader } from "../../src/table/table-reader.ts";
import { ChunkReserve } from "./chunk-reserve.ts";
import { DeviceView } from "./device-view.ts";

/** Volume bytes: a piece, or a part of one. */
export interface VolumeRange {
  readonly offset: number;
  readonly length: number;
}

let empty: TableReader | undefined;

/** A table without chunks. */
function nothing(): TableReader {
  empty ??= new TableReader(createTable({ originChunks: 0 }));
  return empty;
}

export class ServedSnapshot {
  readonly index: number;
  readonly chunkBytes: number;
  table: TableReader;
  readonly words: SnapshotWordsReader;
  readonly cow: DeviceView;
  readonly counters: Float64Array;
  /** Null: every chunk is asked for. */
  readonly reserve: ChunkReserve | null;
  readonly writePass: GatePass;
  readonly readPass: GatePass;
  readonly writeGate: number;
  readonly readGate: number;
  readonly discardZeroesCow: boolean;
  readonly discardPassdownOrigin: boolean;

  /** `worker`: the number of this worker among its kind. */
  constructor(d: SnapshotDescription, volume: VolumeReader, worker: number) {
    this.index = d.index;
    this.chunkBytes = d.chunkBytes;
    this.table = new TableReader(d.table);
    this.words = new SnapshotWordsReader(d.words);
    this.cow = new DeviceView(d.cow);
    this.counters = exportCounters(d.counters, worker);
    this.reserve = d.reserves ? new ChunkReserve() : null;
    this.writeGate = snapshotWriteGate(d.index);
    this.readGate = snapshotReadGate(d.index);
    this.writePass = volume.pass(this.writeGate);
    this.readPass = volume.pass(this.readGate);
    this.discardZeroesCow = d.discardZeroesCow;
    this.discardPassdownOrigin = d.discardPassdownOrigin;
  }

  /**
   * Main has taken the snapshot away, and its table's memory may be another's soon. Clients that stay connected meet the state, which is
   * looked at before any lookup, so its words are kept.
   */
  forget(): void {
    this.table = nothing();
  }

  chunkAt(offset: number): number {
    return Math.floor(offset / this.chunkBytes);
  }

  /** Bytes from `offset` to the end of its chunk. */
  toChunkEnd(offset: number): number {
    return this.chunkBytes - (offset % this.chunkBytes);
  }

  /** Chunks that a range touches. */
  chunksOf(range: VolumeRange): number {
    return this.chunkAt(range.offset + range.length - 1) - this.chunkAt(range.offset) + 1;
  }

  /** The length to which a run of so many chunks shortens a range. */
  clippedToRun(range: VolumeRange, chunks: number): number {
    assert(chunks > 0, "a run of no chunks");
    return Math.min(range.length, chunks * this.chunkBytes - (range.offset % this.chunkBytes));
  }

  /** … and its first chunk. */
  clippedToChunk(range: VolumeRange): number {
    return Math.min(range.length, this.toChunkEnd(range.offset));
  }

  /** Where a range lies on the COW device, after a lookup of its first chunk that found an exception. */
  cowPosition(range: VolumeRange): number {
    return this.table.newChunk * this.chunkBytes + (range.offset % this.chunkBytes);
  }
}
