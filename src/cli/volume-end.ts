/**
 * Waits for the end of a volume that serves: a signal (good), or a worker that has died (bad).
 *
 * After a death nothing can be promised to clients any more, so the command ends with that error; what is durable stays so.
 */
import type { Volume } from "../engine/volume.ts";
import type { Interrupt } from "./interrupt.ts";

/** Resolves with the first signal; rejects with the error of a volume that cannot go on. */
export async function endOf(volume: Volume, interrupt: Interrupt): Promise<void> {
  let fail: ((error: Error) => void) | undefined;
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
    volume.on("error", reject);
  });
  try {
    await Promise.race([interrupt.signal, failure]);
  } finally {
    if (fail !== undefined) volume.off("error", fail);
  }
}

/** Closes it, also after a death; throws the error of a volume that has failed meanwhile, for then it is not closed in order. */
export async function closeVolume(volume: Volume): Promise<void> {
  let failure: Error | undefined;
  volume.on("error", (error) => {
    failure = error;
  });
  await volume.close();
  if (failure !== undefined) throw failure;
}
