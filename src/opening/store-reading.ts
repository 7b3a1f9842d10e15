/**
 * Reads the store on an open COW device, and builds the exception table that it fills: what is long in an opening, for an opening thread.
 *
 *   read: header ─▶ areas, AREA_READ_AHEAD pieces at a time ─▶ columns, digest        build: columns ─▶ table, runs folded
 *
 * Between the two main decides, by the register, whether the store is the one that was asked for (engine/store-opening.ts). Reads go through the page
 * cache: nothing else runs yet. Nothing is written (S-36).
 */
import { AREA_READ_AHEAD, HUGE_PAGES_EXCEPTIONS } from "../base/constants.ts";
import { errnoOf, SnapringError } from "../base/errno.ts";
import { SECTOR_BYTES, type Sector } from "../base/units.ts";
import type { LoadedStore } from "../core/loaded-store.ts";
import { type ReadRange, StoreLoader } from "../core/store-loader.ts";
import { DeviceFile, type OpenedFile } from "../device/device-file.ts";
import { useHugePages } from "../device/huge-pages.ts";
import { contentOf } from "../register/blank.ts";
import { type DigestWord, type SeenStore, StoreDigest } from "../register/store-digest.ts";
import type { RingMode } from "../ring/worker-data.ts";
import { type TableState, TableWriter } from "../table/table-writer.ts";
import { ExceptionCollector } from "./exception-collector.ts";
import { ReadAhead } from "./read-ahead.ts";

/** Plain values. */
export interface StoreOrder {
  readonly file: OpenedFile;
  /** What the user says; 0: nothing (S-16). */
  readonly chunkSectors: Sector;
  readonly origin: { readonly sectors: Sector; readonly logicalBlockBytes: number };
  /** What the store was when it was last seen. */
  readonly seen: SeenStore | undefined;
  readonly mode: RingMode;
}

/** Plain values. */
export interface FoundList {
  readonly loaded: LoadedStore;
  readonly digest: DigestWord;
  /** Of a device whose header is blank: what else stands on it; undefined: nothing. */
  readonly content: string | undefined;
}

export interface ReadingWatch {
  /** Looked at between batches: nobody wants it any more. */
  isStopped(): boolean;
  /** Called once, while a store is read that takes its time. */
  takesLong(): void;
}

export class StoreReading {
  readonly #order: StoreOrder;
  readonly #watch: ReadingWatch;
  readonly #file: DeviceFile;
  readonly #found: ExceptionCollector;

  constructor(order: StoreOrder, watch: ReadingWatch) {
    this.#order = order;
    this.#watch = watch;
    this.#file = new DeviceFile(order.file);
    // As many exceptions as there are chunks of the smallest size that it may have.
    const chunkBytesMin = Math.max(1, order.chunkSectors) * SECTOR_BYTES;
    this.#found = new ExceptionCollector(Math.ceil(order.file.sizeBytes / chunkBytesMin));
  }

  /** Throws a SnapringError: what the rules S-12…S-39 refuse. */
  read(): FoundList {
    const digest = new StoreDigest(this.#order.seen);
    const loaded = this.#load(this.#found, true, digest);
    const { seen, matches, agrees } = digest;
    const chunkBytes = loaded.chunkSectors * SECTOR_BYTES;
    const content = loaded.state === "new" ? contentOf(this.#file, 2 * chunkBytes) : undefined;
    return { loaded, digest: { seen, matches, agrees }, content };
  }

  /** Fills an empty table, once; it is the caller's then. Throws a SnapringError: an old chunk is there twice (S-38), ENOMEM. */
  build(memory: SharedArrayBuffer): TableState {
    const exceptions = this.#found.take();
    if (exceptions.count >= HUGE_PAGES_EXCEPTIONS) useHugePages(memory);
    const table = new TableWriter(memory);
    if (table.loadSettled(exceptions) === -1) return table.handOver();
    // Read once more, by the loader that can name the place of an old chunk that is there twice.
    this.#load(new ExceptionCollector(), false);
    throw new SnapringError("EIO", "corrupt snapshot: it changed while it was read");
  }

  #load(found: ExceptionCollector, sinkFindsDuplicates: boolean, digest?: StoreDigest): LoadedStore {
    const { file, chunkSectors, origin, mode } = this.#order;
    const loader = new StoreLoader(
      {
        cowBytes: file.sizeBytes,
        chunkSectors,
        blocks: { cow: file.logicalBlockBytes, origin: origin.logicalBlockBytes },
        originSectors: origin.sectors,
        sinkFindsDuplicates,
      },
      (oldChunk, newChunk) => {
        found.add(oldChunk, newChunk);
        digest?.add(oldChunk, newChunk);
      },
    );
    this.#feedHeader(loader);
    const { wanted } = loader;
    if (wanted === undefined) return loader.result();
    const reads = new ReadAhead(file.fd, wanted.length, AREA_READ_AHEAD, mode);
    try {
      for (let read = 1; loader.wanted !== undefined; read++) {
        if (reads.wantsMore) beginMore(reads, loader);
        const bytes = reads.next();
        loader.feed(typeof bytes === "number" ? loader.fail(bytes) : bytes);
        if (read % AREA_READ_AHEAD === 0) this.#look(read);
      }
      return loader.result();
    } finally {
      reads.close();
    }
  }

  #look(read: number): void {
    if (this.#watch.isStopped()) throw new SnapringError("ECANCELED", "the opening was given up");
    // A store of more ranges than are read at a time takes its time to be read.
    if (read === AREA_READ_AHEAD) this.#watch.takesLong();
  }

  #feedHeader(loader: StoreLoader): void {
    const { position, length } = loader.wanted as ReadRange;
    const bytes = new Uint8Array(length);
    try {
      this.#file.read(position, bytes);
    } catch (error) {
      loader.fail(errnoOf(error));
    }
    loader.feed(bytes);
  }
}

function beginMore(reads: ReadAhead, loader: StoreLoader): void {
  while (reads.hasRoom) {
    const range = loader.ahead(reads.underWay);
    if (range === undefined) return;
    reads.begin(range.position);
  }
}
