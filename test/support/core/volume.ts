/**
 * A whole volume on the fake shell: an origin, its snapshots, and the operations of the kernel oracle's operation lists.
 *
 * It opens COW images as the product does (loader, table, core), runs one operation after the other until nothing moves any
 * more, and can read a snapshot's whole view. Errors come back as the names that the kernel uses.
 */
import { createHash } from "node:crypto";
import { errno, errnoName } from "../../../src/base/errno.ts";
import { EntryState } from "../../../src/base/states.ts";
import { SECTOR_BYTES } from "../../../src/base/units.ts";
import { transientStore, type LoadedStore } from "../../../src/core/loaded-store.ts";
import { StoreLoader } from "../../../src/core/store-loader.ts";
import type { RoomPolicy } from "../../../src/core/room-policy.ts";
import type { StoreKind } from "../../../src/format/table-line.ts";
import type { FakeDisk } from "./fake-disk.ts";
import { originRead, originWrite, snapshotRead, snapshotWrite } from "./fake-client.ts";
import { FakeSnapshotPorts } from "./fake-ports.ts";
import { FakeShell, type ClientSteps, type FakeSnapshot, type Request, type ShellOptions } from "./fake-shell.ts";

export interface CowSpec {
  readonly disk: FakeDisk;
  readonly store: StoreKind;
  /** 0: as on disk, or the default. */
  readonly chunkSectors: number;
  /** The register says that it merges. */
  readonly merging?: boolean;
  /** What happens when it runs full; as its kind has it where nothing is said. */
  readonly room?: { readonly policy: RoomPolicy } | undefined;
}

export class Volume {
  readonly origin: FakeDisk;
  readonly shell: FakeShell;
  readonly warnings: string[] = [];

  constructor(origin: FakeDisk, options: ShellOptions = {}) {
    this.origin = origin;
    this.shell = new FakeShell(origin, options);
  }

  /** Open a COW device before the origin is served. Throws what the loader refuses. */
  open(index: number, spec: CowSpec): FakeSnapshot {
    const { snapshot, loaded } = this.#load(index, spec);
    this.#finish(this.shell.open(snapshot, loaded));
    return snapshot;
  }

  /** Make a snapshot of the live origin. */
  create(index: number, spec: CowSpec): FakeSnapshot {
    const { snapshot, loaded } = this.#load(index, spec);
    this.#finish(this.shell.create(snapshot, loaded));
    return snapshot;
  }

  /** The same, but it only begins: the operation's number. */
  createLater(index: number, spec: CowSpec): number {
    const { snapshot, loaded } = this.#load(index, spec);
    return this.shell.create(snapshot, loaded);
  }

  #load(index: number, spec: CowSpec): { readonly snapshot: FakeSnapshot; readonly loaded: LoadedStore } {
    const ports = new FakeSnapshotPorts();
    const loaded =
      spec.store === "N"
        ? transientStore(spec.chunkSectors, Math.floor(spec.disk.bytes.length / SECTOR_BYTES))
        : loadStore(spec.disk, spec.chunkSectors, this.origin.bytes.length / SECTOR_BYTES, ports);
    this.warnings.push(...loaded.warnings);
    const snapshot = this.shell.attach(
      index,
      spec.store,
      spec.disk,
      loaded.chunkSectors,
      ports,
      spec.merging,
      spec.room?.policy,
    );
    return { snapshot, loaded };
  }

  snapshot(index: number): FakeSnapshot {
    return this.shell.snapshots.get(index)!;
  }

  status(index: number): string {
    return this.shell.core.status(index).text;
  }

  /** Run one request to its end; the error number. */
  run(steps: ClientSteps): number {
    const request = this.start(steps);
    this.settle(request);
    return request.error;
  }

  start(steps: ClientSteps): Request {
    return this.shell.start(steps);
  }

  settle(...requests: readonly Request[]): void {
    this.shell.run();
    if (requests.some((request) => !request.done)) this.shell.run(true);
    if (requests.some((request) => !request.done)) throw new Error("a request is never answered");
  }

  write(index: number | "origin", offset: number, data: Uint8Array): number {
    return this.run(
      index === "origin"
        ? originWrite(this.shell, offset, data)
        : snapshotWrite(this.shell, this.snapshot(index), offset, data),
    );
  }

  read(
    index: number | "origin",
    offset: number,
    length: number,
  ): { readonly error: number; readonly bytes: Uint8Array } {
    const bytes = new Uint8Array(length);
    const error = this.run(
      index === "origin"
        ? originRead(this.shell, offset, bytes)
        : snapshotRead(this.shell, this.snapshot(index), offset, bytes),
    );
    return { error, bytes };
  }

  /** Of the whole view, or the name of the error. */
  hash(index: number | "origin"): string {
    const { error, bytes } = this.read(index, 0, this.origin.bytes.length);
    return error === 0 ? sha256(bytes) : errnoName(error);
  }

  /** An operation of the core's, until `finished`. */
  operation(start: (operation: number) => void): { readonly error: number; readonly message: string } {
    const operation = this.shell.operation(start);
    this.shell.run();
    return this.shell.results.get(operation) ?? { error: errno.ETIME, message: "not finished" };
  }

  close(): void {
    const { error, message } = this.operation((operation) => this.shell.core.close(operation));
    if (error !== 0) throw new Error(message);
  }

  #finish(operation: number): void {
    this.shell.run();
    const result = this.shell.results.get(operation);
    if (result === undefined || result.error !== 0) throw new Error(result?.message ?? "not finished");
  }
}

/** Read a store into a fake table: its exceptions are settled. */
export function loadStore(
  disk: FakeDisk,
  chunkSectors: number,
  originSectors: number,
  ports: FakeSnapshotPorts,
): LoadedStore {
  const loader = new StoreLoader(
    { cowBytes: disk.bytes.length, chunkSectors, blocks: { origin: 512, cow: 512 }, originSectors },
    (oldChunk, newChunk) => ports.table.publish(oldChunk, newChunk, EntryState.Settled),
  );
  for (let range = loader.wanted; range !== undefined; range = loader.wanted) {
    const { error, bytes } = disk.read(range.position, range.length);
    if (error !== 0) loader.fail(error);
    loader.feed(bytes);
  }
  return loader.result();
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
