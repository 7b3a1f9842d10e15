/**
 * An origin that has snapshots must never be written without them (E-46): the offline merge looks into the origin's register.
 *
 * A merge writes to the origin; the other snapshots of the same origin would need the old data first, and nobody keeps it for
 * them here.
 */
import { statSync } from "node:fs";
import { SnapringError } from "../base/errno.ts";
import { Registry, registryPath } from "../engine/registry.ts";

/** Throws a SnapringError (EBUSY) that names them. Devices that do not exist are left to whoever opens them. */
export async function refuseOtherSnapshots(origin: string, cow: string): Promise<void> {
  const stat = statSync(origin, { throwIfNoEntry: false });
  if (stat === undefined || statSync(cow, { throwIfNoEntry: false }) === undefined) return;
  const registry = await Registry.open(registryPath(origin, stat.isBlockDevice()));
  const own = registry.on(cow);
  const others = [...registry.snapshots].filter(([name, entry]) => entry.state === "active" && !own.has(name));
  if (others.length === 0) return;
  const names = others.map(([name, entry]) => `${name} (${entry.cow})`).join(", ");
  throw new SnapringError("EBUSY", `${origin} has other snapshots that a merge would destroy: ${names}`, {
    hint: "snapring serve ORIGIN --abandon NAME gives one up",
  });
}
