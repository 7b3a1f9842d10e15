/**
 * The words for a registered snapshot that was not given: what to do depends on how the register stands to the origin. They are pasted
 * into a shell, and name and path may be somebody else's: each is one argument there.
 */
import { shellQuoted } from "../base/printable.ts";
import type { OriginRegister } from "./origin-register.ts";

export function howToGive(name: string, { register, standing }: OriginRegister): string {
  const entry = register.snapshots.get(name);
  const cow = entry?.cow ?? "COW";
  const give = `give --snapshot ${shellQuoted(`${name}=${cow}`)}`;
  const giveUp = `give it up with --abandon ${shellQuoted(name)}`;
  const known = register.origin?.path ?? "another origin";
  if (entry?.state === "merging")
    return `its merge is under way, and the origin is half merged with it: ${give} (and --no-merge to stop the merge)`;
  if (standing === "copied" && entry?.isBeside === false)
    return `this is a copy of ${known}, and that store is the original's: copy it, too, and give --snapshot ${shellQuoted(`${name}=COPY`)}, or ${giveUp} in this copy`;
  if (standing === "moved")
    return `the register is of another file that was ${known}: if this is the same volume, ${give}; otherwise ${giveUp}, which leaves a store of the other alone`;
  return `writing the origin without it would break it: ${give}, or ${giveUp}`;
}
