/**
 * Main's record of one snapshot: its name and device, its shared memory, and the ports through which the core writes it.
 */
import { Turns } from "../base/turns.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { LoadedStore } from "../core/loaded-store.ts";
import type { GatePort, NoticeKind, SnapshotPorts } from "../core/ports.ts";
import { returnMemory } from "../device/cleared-memory.ts";
import type { PlacedFile } from "../device/placed-file.ts";
import type { StoreKind } from "../format/table-line.ts";
import { createExportCounters, exportCounters } from "../ring/counters.ts";
import { Message } from "../ring/messages.ts";
import { GateOpened } from "../ring/to-workers.ts";
import { snapshotReadGate, snapshotWriteGate } from "../base/gate-numbers.ts";
import type { VolumeWords } from "../ring/volume-words.ts";
import type { SnapshotDescription } from "../ring/worker-data.ts";
import { createSnapshotWords, SnapshotWords } from "../table/snapshot-words.ts";
import type { TableWriter } from "../table/table-writer.ts";
import type { Channel } from "./channel.ts";
import type { Registrand } from "./registered-set.ts";
import type { FullPolicy } from "./room-options.ts";
import type { VolumeDevice } from "./volume-device.ts";
import type { PlainDetails } from "./volume-events.ts";

export interface SnapshotHandleParts {
  readonly index: number;
  /** Export workers, each of which counts its requests. */
  readonly workers: number;
  /** Its COW device's number in every ring. */
  readonly file: number;
  readonly name: string;
  readonly store: StoreKind;
  readonly cow: VolumeDevice;
  readonly loaded: LoadedStore;
  readonly tableMemory: SharedArrayBuffer;
  readonly table: TableWriter;
  /** The register says that it merges (E-36). */
  readonly merging: boolean;
  /** Its COW file, where that was made when it was opened. */
  readonly made: PlacedFile | undefined;
  readonly reserves: boolean;
  readonly discardZeroesCow: boolean;
  readonly discardPassdownOrigin: boolean;
  /** Clients may not write it. */
  readonly readOnly: boolean;
  /** What happens when its store runs full, as it was opened. */
  readonly full: FullPolicy;
}

export class SnapshotHandle {
  readonly index: number;
  readonly file: number;
  readonly name: string;
  readonly store: StoreKind;
  readonly cow: VolumeDevice;
  readonly loaded: LoadedStore;
  readonly table: TableWriter;
  readonly words: SnapshotWords;
  /** Of its export, in each export worker. */
  readonly counters: readonly Float64Array[];
  readonly description: SnapshotDescription;
  readonly merging: boolean;
  readonly made: PlacedFile | undefined;
  readonly readOnly: boolean;
  /** It could not be taken out of the register: the next opening wants to find its store. */
  staysRegistered = false;
  readonly full: FullPolicy;
  /** The order that makes it has ended, and it is there. */
  isMade = true;
  #dropping = false;
  readonly #turns = new Turns();
  /** How many exceptions it is to have when the register is told next. */
  seeAt: number;
  /** Commits until that is looked at: the first one, then now and then. */
  lookIn = 1;

  constructor(parts: SnapshotHandleParts) {
    this.index = parts.index;
    this.file = parts.file;
    this.name = parts.name;
    this.store = parts.store;
    this.cow = parts.cow;
    this.loaded = parts.loaded;
    this.table = parts.table;
    this.made = parts.made;
    this.full = parts.full;
    this.readOnly = parts.readOnly;
    this.seeAt = Math.max(1, 2 * parts.loaded.exceptions);
    this.merging = parts.merging;
    const words = createSnapshotWords();
    const counters = createExportCounters(parts.workers);
    this.counters = Array.from({ length: parts.workers }, (_, worker) => exportCounters(counters, worker));
    this.words = new SnapshotWords(words);
    this.description = {
      index: parts.index,
      name: parts.name,
      chunkBytes: parts.loaded.chunkSectors * SECTOR_BYTES,
      table: parts.tableMemory,
      words,
      counters,
      cow: parts.cow.describe(parts.file),
      reserves: parts.reserves,
      discardZeroesCow: parts.discardZeroesCow,
      discardPassdownOrigin: parts.discardPassdownOrigin,
    };
  }

  /** One order about its size after the other, each when the one before has ended. */
  readonly inTurn = (order: () => Promise<void>): Promise<void> => this.#turns.take(order);

  async whileDropping(drop: () => Promise<void>): Promise<void> {
    this.#dropping = true;
    try {
      await drop();
    } finally {
      this.#dropping = false;
    }
  }

  /** What a notice of the core is to the user: what was asked for is no failure; of what was never made he is told by the order that has failed. */
  eventOf(notice: NoticeKind, error: number): PlainDetails["event"] | undefined {
    if (notice !== "invalid" || error !== 0) return notice;
    if (!this.isMade) return undefined;
    return this.#dropping ? "dropped" : notice;
  }

  /** As the register knows it. */
  get registrand(): Registrand {
    return { name: this.name, cow: this.cow, chunkBytes: this.description.chunkBytes };
  }

  get persistent(): boolean {
    return this.store !== "N";
  }

  /** Its volume's threads have ended, or have forgotten it. `quiet`: as they should, and nothing of main looks anything up any more. */
  close(quiet: boolean): void {
    this.cow.close(quiet);
    if (quiet) returnMemory(this.description.table);
  }

  /** `volume`: its number, and its words. */
  ports(volume: number, volumeWords: VolumeWords, exportWorkers: readonly Channel[]): SnapshotPorts {
    const { table, words } = this;
    return {
      table,
      tracking: words.tracking,
      words,
      writeGate: gatePort(volume, volumeWords, snapshotWriteGate(this.index), exportWorkers),
      readGate: gatePort(volume, volumeWords, snapshotReadGate(this.index), exportWorkers),
    };
  }
}

/** A gate that wakes the requests which are parked at it, in every export worker, when it opens. */
export function gatePort(
  volume: number,
  words: VolumeWords,
  number: number,
  exportWorkers: readonly Channel[],
): GatePort {
  const gate = words.gate(number);
  return {
    close: () => gate.close(),
    inFlight: () => gate.inFlight(),
    open: () => {
      gate.open();
      for (const { outbox } of exportWorkers) {
        const at = outbox.begin(Message.GateOpened, volume, 0);
        GateOpened.gate.set(outbox.words, at, number);
      }
    },
  };
}
