/**
 * Opens the origin of a volume, in an opening thread.
 *
 *   may its register be written, where it is only read itself? ─▶ open and lock
 */
import type { CompleteOptions } from "./complete-options.ts";
import type { Openings } from "./opening-pool.ts";
import { VolumeDevice } from "./volume-device.ts";

/** Throws a SnapringError, or an AbortError. */
export async function openOrigin(
  options: CompleteOptions,
  openings: Openings,
  stop: AbortSignal | undefined,
): Promise<VolumeDevice> {
  const { origin: path, originReadOnly: readOnly, direct, unlocked } = options;
  const alone = readOnly && !options.readOnly && (await openings.run("canBeKept", path, { stop }));
  return VolumeDevice.open(openings, { path, what: "origin", readOnly, alone, unlocked, direct }, stop);
}
