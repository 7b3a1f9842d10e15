/**
 * The options of a volume that opens what its register knows, whoever has made it: completed before anything of them is looked at.
 *
 *   register:  monday active, tuesday invalid and gone, friday active and gone
 *   options:   snapshots [new], registered ──▶ snapshots [new, monday, friday]         friday is refused in words when it is opened
 *              … abandonMissing            ──▶ snapshots [new, monday], abandon [friday]
 *
 * What the program names itself, by its name or by its COW device, is opened as it says. Runs on main; an opening thread looks.
 */
import { checkSnapshotOptions } from "./option-schema.ts";
import type { RegisterTasks } from "./register-tasks.ts";
import type { CompleteOptions } from "./complete-options.ts";
import type { RegisteredSnapshotInfo, SnapshotOptions } from "./volume-options.ts";

/** Rejects with an OptionError for what a function says of a snapshot, with what it throws, or an AbortError. */
export async function withRegistered(
  options: CompleteOptions,
  tasks: Pick<RegisterTasks, "found" | "look">,
  stop: AbortSignal | undefined,
): Promise<CompleteOptions> {
  const { registered } = options;
  if (registered === false) return options;
  const given = (await tasks.look(options.snapshots, stop)).map(({ known }) => known?.name);
  const named = new Set([...given, ...options.snapshots.map(({ name }) => name), ...options.abandon]);
  const others = [...tasks.found.register.snapshots].filter(([name]) => !named.has(name));
  const asked = others.map(([name, { cow, state }]) => ({ name, cow, state }));
  const places = await tasks.look(asked, stop);
  const snapshots = [...options.snapshots];
  const abandon = [...options.abandon];
  for (const [i, one] of asked.entries()) {
    if (places[i].isThere) snapshots.push(asSaid(one, registered));
    else if (one.state === "invalid") continue;
    else if (options.abandonMissing) abandon.push(one.name);
    else snapshots.push({ name: one.name, cow: one.cow });
  }
  return { ...options, snapshots, abandon };
}

function asSaid(one: RegisteredSnapshotInfo, registered: CompleteOptions["registered"]): SnapshotOptions {
  const said = typeof registered === "function" ? registered(one) : undefined;
  return checkSnapshotOptions({ ...said, name: one.name, cow: one.cow });
}
