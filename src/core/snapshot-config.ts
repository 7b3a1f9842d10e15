/** What the shell says about a snapshot when it opens or creates it. */
import type { StoreKind } from "../format/table-line.ts";
import type { SnapshotPorts } from "./ports.ts";
import type { RoomPolicy } from "./room-policy.ts";

export interface SnapshotConfig {
  /** Its slot: 0 … MAX_SNAPSHOTS - 1. Its COW device is 1 + index. */
  readonly index: number;
  readonly store: StoreKind;
  readonly ports: SnapshotPorts;
  /** Metadata is written in multiples of this many bytes: a power of two, atomic on the device (S-55). */
  readonly metadataBlockBytes: number;
  /** It is, or is to be, recorded in the registry (E-46): state changes are registered before they take effect. */
  readonly registered: boolean;
  /** The record says that it merges already: nothing is registered when it is presented again (E-36). */
  readonly merging?: boolean | undefined;
  /** What happens when its store runs full; as the kind of the store has it where nothing is said. */
  readonly room?: RoomPolicy | undefined;
}
