/**
 * What main keeps of a snapshot in depth B: its store as the loader read it, its table and words in shared memory.
 */
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import type { SnapshotState } from "../../../src/base/states.ts";
import { transientStore, type LoadedStore } from "../../../src/core/loaded-store.ts";
import type { SnapshotPorts } from "../../../src/core/ports.ts";
import { StoreLoader } from "../../../src/core/store-loader.ts";
import type { Channel } from "../../../src/engine/channel.ts";
import { ExceptionCollector } from "../../../src/opening/exception-collector.ts";
import { gatePort } from "../../../src/engine/snapshot-handle.ts";
import type { RoomPolicy } from "../../../src/core/room-policy.ts";
import type { StoreKind } from "../../../src/format/table-line.ts";
import { snapshotReadGate, snapshotWriteGate } from "../../../src/base/gate-numbers.ts";
import { createExportCounters } from "../../../src/ring/counters.ts";
import type { VolumeWords } from "../../../src/ring/volume-words.ts";
import type { SnapshotDescription } from "../../../src/ring/worker-data.ts";
import { createSnapshotWords, SnapshotWords, SnapshotWordsReader } from "../../../src/table/snapshot-words.ts";
import { createTable } from "../../../src/table/table-layout.ts";
import { TableWriter } from "../../../src/table/table-writer.ts";
import type { FakeDisk } from "../../support/core/fake-disk.ts";
import type { CowSpec } from "../sim-volume.ts";

export class SimSnapshot {
  readonly index: number;
  /** Its COW device's number in every ring, and its descriptor. */
  readonly file: number;
  readonly fd: number;
  readonly store: StoreKind;
  readonly readOnly: boolean;
  readonly merging: boolean;
  readonly room: RoomPolicy | undefined;
  readonly blockBytes: number;
  readonly loaded: LoadedStore;
  readonly table: TableWriter;
  readonly description: SnapshotDescription;
  readonly #words: SnapshotWords;
  readonly #reader: SnapshotWordsReader;

  constructor(
    index: number,
    name: string,
    spec: CowSpec,
    origin: FakeDisk,
    reserves: boolean,
    place: { readonly file: number; readonly fd: number },
    workers: number,
  ) {
    this.index = index;
    this.file = place.file;
    this.fd = place.fd;
    this.store = spec.store;
    this.readOnly = spec.readOnly;
    this.merging = spec.merging;
    this.room = spec.room?.policy;
    this.blockBytes = spec.disk.blockBytes;
    const found = new ExceptionCollector();
    const cowSectors = Math.floor(spec.disk.bytes.length / SECTOR_BYTES);
    this.loaded =
      spec.store === "N" ? transientStore(spec.chunkSectors, cowSectors) : load(spec, origin.bytes.length, found);
    const chunkBytes = this.loaded.chunkSectors * SECTOR_BYTES;
    const table = createTable({ originChunks: Math.ceil(origin.bytes.length / chunkBytes) });
    this.table = new TableWriter(table);
    this.table.loadSettled(found.take());
    const words = createSnapshotWords();
    this.#words = new SnapshotWords(words);
    this.#reader = new SnapshotWordsReader(words);
    this.description = {
      ...{ index, name, chunkBytes, table, words, reserves, counters: createExportCounters(workers) },
      cow: { file: place.file, align: spec.disk.blockBytes, inline: false },
      ...{ discardZeroesCow: spec.passdown || index % 2 === 1, discardPassdownOrigin: spec.passdown },
    };
  }

  get state(): SnapshotState {
    return this.#reader.state();
  }

  ports(volume: number, words: VolumeWords, workers: readonly Channel[]): SnapshotPorts {
    const { table, index } = this;
    return {
      ...{ table, tracking: this.#words.tracking, words: this.#words },
      writeGate: gatePort(volume, words, snapshotWriteGate(index), workers),
      readGate: gatePort(volume, words, snapshotReadGate(index), workers),
    };
  }
}

function load({ disk, chunkSectors }: CowSpec, originBytes: number, found: ExceptionCollector): LoadedStore {
  const blocks = { origin: SECTOR_BYTES, cow: SECTOR_BYTES };
  const originSectors = originBytes / SECTOR_BYTES;
  const loader = new StoreLoader({ cowBytes: disk.bytes.length, chunkSectors, blocks, originSectors }, (o, n) =>
    found.add(o, n),
  );
  for (let range = loader.wanted; range !== undefined; range = loader.wanted) {
    const { error, bytes } = disk.read(range.position, range.length);
    if (error !== 0) loader.fail(error);
    loader.feed(bytes);
  }
  return loader.result();
}
