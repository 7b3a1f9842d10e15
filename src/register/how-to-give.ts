/**
 * The words for a registered snapshot that was not given: what to do depends on how the register stands to the origin. They are pasted
 * into a shell, and name and path may be somebody else's: each is one argument there.
 */
import { type Advice, advice, say } from "../base/advice.ts";
import type { OriginRegister } from "./origin-register.ts";

export function howToGive(name: string, { register, standing }: OriginRegister): Advice {
  const entry = register.snapshots.get(name);
  const give = advice`give ${say.snapshot(name, entry?.cow ?? "COW")}`;
  const giveUp = advice`give it up with ${say.abandon(name)}`;
  const known = register.origin?.path ?? "another origin";
  if (entry?.state === "merging")
    return advice`its merge is under way, and the origin is half merged with it: ${give} (and ${say.noMerge} to stop the merge)`;
  if (standing === "copied" && entry?.isBeside === false)
    return advice`this is a copy of ${known}, and that store is the original's: copy it, too, and give ${say.snapshot(name, "COPY")}, or ${giveUp} in this copy`;
  if (standing === "moved")
    return advice`the register is of another file that was ${known}: if this is the same volume, ${give}; otherwise ${giveUp}, which leaves a store of the other alone`;
  return advice`writing the origin without it would break it: ${give}, or ${giveUp}`;
}
