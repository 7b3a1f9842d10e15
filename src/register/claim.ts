/**
 * What the mark of a COW file claims: whose store it is, and whether anybody still says so.
 *
 *   none        no mark, or of a store that no register has had yet; or its register has let it go
 *   ours        our own register has this very store: on this file, not the one that it was copied from
 *   stands      another register is there, and has it as a good one: it is not opened, formatted or overwritten here
 *   forgotten   the register that it leads to is gone, another one, cannot be seen, or does not know it any more: the origin may have been
 *               written without it
 *
 * Only a mark that was made on this very file counts, not one that came along with a copy.
 */
import { compareIdentities } from "./identity.ts";
import type { Mark } from "./mark.ts";
import { Register } from "./register.ts";
import type { RegisteredSnapshot } from "./register-text.ts";

export type Claim = "none" | "ours" | "stands" | "forgotten";

/** `own`: the register of the origin that the store is to be used with; undefined where there is none. `owner`: of the COW file. */
export async function claimOf(mark: Mark | undefined, own: Register | undefined, owner: number): Promise<Claim> {
  if (mark === undefined || mark.register === "") return "none";
  // A copy has the id of the store that it was copied from.
  const isOurs = ({ store, identity }: RegisteredSnapshot): boolean =>
    store !== "" && store === mark.store && compareIdentities(identity, mark.self) !== "different";
  if (own !== undefined && [...own.snapshots.values()].some(isOurs)) return "ours";
  if (mark.id === own?.id) return "forgotten";
  const register = await Register.read(mark.register, false, owner).catch(() => undefined);
  if (register === undefined || register.id !== mark.id) return "forgotten";
  const entry = register.snapshots.get(mark.name ?? "");
  if (entry === undefined) return "forgotten";
  return entry.state === "invalid" ? "none" : "stands";
}
