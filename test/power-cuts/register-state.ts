/** The texts of the register, as a recording and its judges read them. */

/** What the register says of the snapshot; undefined: it does not know it. */
export function stateIn(register: string | undefined, name: string): string | undefined {
  if (register === undefined) return undefined;
  const { snapshots } = JSON.parse(register) as { snapshots: Record<string, { state: string } | undefined> };
  return snapshots[name]?.state;
}
