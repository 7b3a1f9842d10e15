/**
 * A volume as a life sees it, at whatever depth: requests and orders go in, steps make them go on, and their ends can be seen.
 *
 *   core-volume.ts               depth A: the core on a fake shell; clients are generators
 *   threads/threads-volume.ts    depth B: worker loops, rings, tables and the real shell, on one thread; clients are NBD streams
 */
import type { SnapshotState } from "../../src/base/states.ts";
import type { Core } from "../../src/core/core.ts";
import type { NoticeKind } from "../../src/core/ports.ts";
import type { RoomNews } from "../../src/core/room-policy.ts";
import type { StoreKind } from "../../src/format/table-line.ts";
import type { FakeDisk } from "../support/core/fake-disk.ts";
import type { SimulatedRoom } from "./rooms.ts";

export interface CowSpec {
  readonly disk: FakeDisk;
  readonly store: StoreKind;
  /** 0: as on disk, or the default. */
  readonly chunkSectors: number;
  /** Depth B: clients may not write; discards go through to the origin as well. */
  readonly readOnly: boolean;
  readonly passdown: boolean;
  /** The register says that it merges (E-36). */
  readonly merging: boolean;
  readonly room?: SimulatedRoom | undefined;
}

/** What a client asks for; positions in bytes. */
export type Ask =
  | { readonly kind: "read"; readonly at: number; readonly into: Uint8Array }
  | {
      readonly kind: "write";
      readonly at: number;
      readonly data: Uint8Array;
      readonly fua: boolean;
      /** It is all zeroes, and may be sent as such. */
      readonly zeroes: boolean;
      /** As if it had to read, modify and write (depth A). */
      readonly alone: boolean;
    }
  | { readonly kind: "trim"; readonly at: number; readonly length: number }
  | { readonly kind: "flush" };

export interface SimRequest {
  readonly done: boolean;
  /** Error number. */
  readonly error: number;
  /** Its client has vanished: nobody knows what has become of it. */
  readonly gone?: boolean;
}

export interface SimVolume {
  readonly origin: FakeDisk;
  readonly core: Core;
  readonly notices: readonly { readonly snapshot: number; readonly event: NoticeKind; readonly error: number }[];
  /** What has been recorded durably of each snapshot (E-46). */
  readonly registry: ReadonlyMap<number, string>;
  /** Orders that have ended. */
  readonly results: ReadonlyMap<number, { readonly error: number }>;
  /** This device is slow; 0 is the origin, -1 none. */
  stalled: number;
  /** The snapshot that is presented in place of the origin, -1 for none. */
  readonly merging: number;
  /** Snapshots that have been introduced. */
  readonly indices: readonly number[];
  /** Chunks that must be free before workers get any in reserve. */
  readonly reserveMargin: number;
  /** A trim of the origin leaves what a snapshot needs as it is (E-19); else it is a write (E-16). */
  readonly keepsTrims: boolean;
  /** Chunks whose tracked reads are counted together with this one's. */
  bucketMates(chunk: number): readonly number[];
  /** Clients of a merging snapshot's own export are served on. */
  readonly servesMerging: boolean;

  /** `snapshot` undefined: the live volume. */
  request(snapshot: number | undefined, ask: Ask): SimRequest;
  /** Open a store before anything is served; throws what is refused. */
  open(index: number, spec: CowSpec): void;
  /** Begin to make a snapshot of the live origin; the order's number. */
  create(index: number, spec: CowSpec): number;
  /** An order to the core; its number. */
  order(start: (operation: number) => void): number;
  /** The COW device has another size. */
  grow(index: number, sectors: number): void;
  /** Snapshots for which the core has asked for room; whoever answers takes them out. */
  readonly wants: Set<number>;
  /** What there is to say of a snapshot's room. */
  room(index: number, news: RoomNews): void;
  /** A paced merge may go on. */
  mergeContinue(): void;
  /** A snapshot has gone. */
  detach(index: number): void;
  state(index: number): SnapshotState;
  /** In its exception table. */
  entries(index: number): number;
  /** False: nothing can happen but a timer's end. */
  step(): boolean;
  /** The oldest timer of S-54 goes off; false: there is none. */
  fireTimer(): boolean;
  /** Its process is killed: some of the I/O that is under way still lands, the rest never will. */
  die(): void;
  /** Its opening was refused: it is gone, and what it shared is as before. */
  leave(): void;
  /** Nobody uses it any more. */
  end(): void;
}
