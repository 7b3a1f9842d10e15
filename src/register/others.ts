/**
 * Whether a COW file is the store of another origin, as its mark says: then it is not opened, formatted or overwritten here.
 *
 * A mark is believed only where its register is there and still knows the store; one that leads nowhere is no claim, but for a folder that
 * cannot be seen from here.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { Mark } from "./mark.ts";
import { Register } from "./register.ts";

/** The path of the other register that has the store as a good one; undefined where there is none. `own`: the register that we have. */
export async function otherRegister(mark: Mark | undefined, own: Register | undefined): Promise<string | undefined> {
  if (mark === undefined || mark.register === "" || mark.id === own?.id || mark.register === own?.path)
    return undefined;
  if (!existsSync(dirname(mark.register))) return mark.register;
  const register = await Register.read(mark.register, false).catch(() => undefined);
  const entry = register?.id === mark.id ? register.snapshots.get(mark.name ?? "") : undefined;
  return entry !== undefined && entry.state !== "invalid" ? mark.register : undefined;
}
