/**
 * A shell for the core without threads: effects are carried out one after the other, by synchronous reads and writes.
 *
 *   core ── copy, metadata ──▶ queue        (the core must not be called back from inside an effect)
 *   run: queue ──▶ do it ──▶ core.copied, metadataDone, areaRead ──▶ … until the queue is empty
 *
 * One snapshot, number 0, and no clients: every gate is empty, no read is tracked. What the core decides is exactly what it
 * decides in the engine. The first error of a device is kept as it was, with path and position, for the core knows numbers only.
 */
import { assert, unreachable } from "../base/assert.ts";
import { errnoOf } from "../base/errno.ts";
import { EntryState } from "../base/states.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import type { Core } from "../core/core.ts";
import {
  allTargets,
  type CopyJob,
  type DeviceId,
  type Effects,
  type MetadataJob,
  ORIGIN_DEVICE,
} from "../core/ports.ts";
import type { GatePort, NoticeKind, OriginPorts, SnapshotPorts } from "../core/ports.ts";
import type { DeviceFile } from "../device/device-file.ts";
import type { ExceptionMap } from "./exception-map.ts";

type Job = { readonly copy: CopyJob } | { readonly metadata: MetadataJob };

export class SyncShell implements Effects {
  readonly #origin: DeviceFile;
  readonly #cow: DeviceFile;
  readonly #jobs: Job[] = [];
  readonly #results = new Map<number, { readonly error: number; readonly message: string }>();
  #deviceError: unknown;

  constructor(origin: DeviceFile, cow: DeviceFile) {
    this.#origin = origin;
    this.#cow = cow;
  }

  /** The first error of a device since the beginning, as it was thrown. */
  get deviceError(): unknown {
    return this.#deviceError;
  }

  /** How an operation has ended; undefined while it has not. */
  result(operation: number): { readonly error: number; readonly message: string } | undefined {
    return this.#results.get(operation);
  }

  /** Carry out everything that the core has asked for, and what follows from it. */
  run(core: Core): void {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      if ("copy" in job) this.#copy(core, job.copy);
      else this.#metadata(core, job.metadata);
    }
  }

  copy(job: CopyJob): void {
    this.#jobs.push({ copy: job });
  }

  /** `bytes` is the core's own and changes after this call. */
  metadata(job: MetadataJob): void {
    this.#jobs.push({ metadata: job.kind === "commit" ? { ...job, bytes: job.bytes.slice() } : job });
  }

  finished(operation: number, error: number, message: string): void {
    this.#results.set(operation, { error, message });
  }

  notice(_snapshot: number, _event: NoticeKind, _error: number): void {}

  armTimer(): void {}

  creation(): void {
    assert(false, "no snapshot is made here");
  }

  flushOrigin(): void {
    assert(false, "no snapshot is made here");
  }

  level(): void {}

  wantRoom(): void {
    assert(false, "a store that nobody writes needs no room");
  }

  release(): void {
    assert(false, "nobody has asked for anything");
  }

  grant(): void {
    assert(false, "nobody has asked for a chunk");
  }

  grantExclusive(): void {
    assert(false, "nobody has asked to be alone");
  }

  register(): void {
    assert(false, "the snapshot is not registered here");
  }

  #copy(core: Core, job: CopyJob): void {
    const bytes = new Uint8Array(job.sectors * SECTOR_BYTES);
    const readError = this.#attempt(() => this.#device(job.source).read(job.sector * SECTOR_BYTES, bytes));
    let failed = 0;
    let writeError = 0;
    if (readError === 0) {
      for (const [i, { device, sector, offsetSectors, sectors }] of job.targets.entries()) {
        const part = bytes.subarray(offsetSectors * SECTOR_BYTES, (offsetSectors + sectors) * SECTOR_BYTES);
        const error = this.#attempt(() => this.#device(device).write(sector * SECTOR_BYTES, part));
        if (error === 0) continue;
        failed |= 1 << i;
        writeError ||= error;
      }
    }
    core.copied(job.id, allTargets(job), readError, failed, writeError);
  }

  #metadata(core: Core, job: MetadataJob): void {
    if (job.kind !== "readArea") {
      core.metadataDone(
        job.snapshot,
        this.#attempt(() => this.#writeMetadata(job)),
      );
      return;
    }
    const bytes = new Uint8Array(job.length);
    const error = this.#attempt(() => this.#cow.read(job.position, bytes));
    core.areaRead(job.snapshot, error, bytes);
  }

  #writeMetadata(job: Exclude<MetadataJob, { kind: "readArea" }>): void {
    switch (job.kind) {
      case "format":
        return assert(false, "a blank device was refused");
      case "header":
        return this.#writeDurably(0, job.header);
      case "flush":
        return this.#device(job.device).sync();
      case "commit":
        if (job.zeroArea !== -1) this.#cow.writeZeroes(job.zeroPosition, job.zeroBytes);
        this.#cow.sync();
        return this.#writeDurably(job.position, job.bytes);
      default:
        return unreachable(job);
    }
  }

  #writeDurably(position: number, bytes: Uint8Array): void {
    this.#cow.write(position, bytes);
    this.#cow.sync();
  }

  #device(device: DeviceId): DeviceFile {
    return device === ORIGIN_DEVICE ? this.#origin : this.#cow;
  }

  /** 0, or the error number of what was thrown. */
  #attempt(body: () => void): number {
    try {
      body();
      return 0;
    } catch (error) {
      this.#deviceError ??= error;
      return errnoOf(error);
    }
  }
}

const openGate: GatePort = { close: () => undefined, open: () => undefined, inFlight: () => 0 };

/** Of an origin without clients. */
export const quietOriginPorts: OriginPorts = {
  writeGate: openGate,
  readGate: openGate,
  setList: () => undefined,
  setMerging: () => undefined,
  requests: () => 0,
};

/** Of a snapshot without clients; every exception in `exceptions` is settled. */
export function quietSnapshotPorts(exceptions: ExceptionMap): SnapshotPorts {
  return {
    table: {
      stateOf: (chunk) => (exceptions.get(chunk) === 0 ? EntryState.None : EntryState.Settled),
      newChunkOf: (chunk) => exceptions.get(chunk),
      publish: (oldChunk, newChunk) => exceptions.set(oldChunk, newChunk),
      makeRoomFor: () => true,
      settle: () => undefined,
      remove: (oldChunk) => exceptions.remove(oldChunk),
      count: () => exceptions.count,
    },
    tracking: {
      bucketOf: () => 0,
      bucketCount: 1,
      parity: () => 0,
      flip: () => undefined,
      readers: () => 0,
      awaitDrain: () => undefined,
    },
    words: {
      setState: () => undefined,
      setVisible: () => undefined,
      setDurable: () => undefined,
      setReserveEpoch: () => undefined,
      setMergeRange: () => undefined,
      clearMergeRange: () => undefined,
    },
    writeGate: openGate,
    readGate: openGate,
  };
}
