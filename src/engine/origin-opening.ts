/**
 * Opens the origin of a volume, in an opening thread: main looks at nothing of it before that has answered there.
 *
 *   look at its path ─▶ may its register be written? ─▶ open and lock
 */
import { canKeepRegister } from "../register/register-place.ts";
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
  await openings.run("look", [path], { stop });
  const alone = readOnly && !options.readOnly && canKeepRegister(path);
  return VolumeDevice.open(openings, { path, what: "origin", readOnly, alone, unlocked, direct }, stop);
}
