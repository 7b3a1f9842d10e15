/**
 * What clients of a volume may ask for, as a program is told it: the live volume first, then the snapshots in the order in which they came.
 */
import { ORIGIN_EXPORT } from "../base/constants.ts";
import { type ListenAddress, uriOf } from "./listen-address.ts";
import type { SnapshotSet } from "./snapshot-set.ts";
import type { ExportInfo } from "./volume-events.ts";
import type { CompleteOptions } from "./complete-options.ts";

/** `addresses`: the volume's own. */
export function exportList(
  sizeBytes: number,
  { readOnly, originReadOnly }: Pick<CompleteOptions, "readOnly" | "originReadOnly">,
  snapshots: Pick<SnapshotSet, "served" | "stats">,
  addresses: readonly ListenAddress[],
): ExportInfo[] {
  const served = snapshots
    .served()
    .map((handle) => [handle.name, snapshots.stats(handle).state, readOnly || handle.readOnly] as const);
  return ([[ORIGIN_EXPORT, "active", originReadOnly], ...served] as const).map(([name, state, isReadOnly]) => ({
    name,
    sizeBytes,
    readOnly: isReadOnly,
    state,
    uris: addresses.map((address) => uriOf(address, name)),
  }));
}
