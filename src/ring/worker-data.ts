/**
 * What main sends to workers besides ring messages: at their start, and in control messages. Plain values and shared memory.
 *
 * A control message carries what a ring's words cannot (memory, names, descriptors): main posts it to the worker's port, then sends
 * `Control` through the ring; the worker takes it from the port and answers `ControlTaken`.
 */

/** How one thread wakes another: an eventfd (-1 for none), or a word of shared memory. */
export interface WakeHandle {
  readonly fd: number;
  readonly word: SharedArrayBuffer;
}

/** "auto": io_uring where it works, else system calls one by one. */
export type RingMode = "auto" | "uring" | "poll";

/** To a new worker of any role. */
export interface WorkerData {
  readonly arena: SharedArrayBuffer;
  readonly toWorker: SharedArrayBuffer;
  readonly toMain: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly wakeWorker: WakeHandle;
  readonly wakeMain: WakeHandle;
  readonly mode: RingMode;
}

/** Control message to a copy or metadata worker: a device comes (a COW device, or an origin), or some go. */
export type FileControl =
  | { readonly file: number; readonly fd: number; readonly inline: boolean; readonly cow: boolean }
  | { readonly gone: readonly number[] };

export interface DeviceDescription {
  /** Index in every ring's file table. */
  readonly file: number;
  /** Positions and lengths must be multiples of it: 1 on buffered files, the direct I/O alignment otherwise. */
  readonly align: number;
  /** Operations are done at once by preadv2/pwritev2 (FileKind.Inline). */
  readonly inline: boolean;
}

/** To a new export worker, besides WorkerData. */
export interface ExportWorkerData {
  readonly worker: number;
  /** Microseconds that the worker polls after its last work before it sleeps. */
  readonly busyPollUs: number;
}

/** A volume as an export worker sees it; sent before it has snapshots or clients. */
export interface VolumeDescription {
  readonly number: number;
  /** As clients name it at an address that serves all volumes. */
  readonly name: string;
  readonly words: SharedArrayBuffer;
  /** Of the live volume's export. */
  readonly counters: SharedArrayBuffer;
  readonly origin: DeviceDescription;
  readonly originBytes: number;
  /** Discards of the live volume leave what a snapshot needs as it is (E-19). */
  readonly keepsTrims: boolean;
}

/** A snapshot as an export worker sees it; sent before it is listed. */
export interface SnapshotDescription {
  readonly index: number;
  readonly name: string;
  readonly chunkBytes: number;
  readonly table: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly cow: DeviceDescription;
  /** Workers may fill chunks that they hold in reserve. */
  readonly reserves: boolean;
  readonly discardZeroesCow: boolean;
  readonly discardPassdownOrigin: boolean;
}

/** Control message to an export worker. */
export type ExportControl =
  | { readonly kind: "volume"; readonly volume: VolumeDescription; readonly fd: number; readonly readOnly: boolean }
  /** It is over in this worker: no client, no request. Its snapshots go with it. */
  | { readonly kind: "forgetVolume"; readonly volume: number }
  | {
      readonly kind: "snapshot";
      readonly volume: number;
      readonly snapshot: SnapshotDescription;
      readonly fd: number;
      readonly readOnly: boolean;
    }
  | { readonly kind: "forget"; readonly volume: number; readonly index: number; readonly name: string };
