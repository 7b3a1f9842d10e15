/**
 * What the journal of a whole life must say: each thing once, in an order that can be.
 *
 *   operation-started, once ─▶ operation-ended, once          snapshot-created, once ─▶ snapshot-dropped, once
 */
import type { Event } from "../../src/cli/control-client.ts";

const ONCE = ["snapshot-created", "snapshot-creation-undone", "snapshot-dropped", "group-created", "group-dropped"];

/** Throws what is wrong. `journal`: in its order; where its beginning is gone, what refers to it is not asked for. */
export function judgeEvents(journal: readonly Event[]): void {
  const isWhole = journal[0]?.type !== "gap";
  const seen = new Set<string>();
  for (const event of journal) {
    const key = keyOf(event);
    if (key === undefined) continue;
    if (seen.has(key)) throw new Error(`told twice: ${key} (${JSON.stringify(event)})`);
    seen.add(key);
    const before = beforeOf(event);
    if (isWhole && before !== undefined && !seen.has(before)) throw new Error(`${key} was told, and no ${before}`);
  }
  if (!isWhole) return;
  for (const key of seen)
    if (key.startsWith("operation-started ") && !seen.has(key.replace("started", "ended")))
      throw new Error(`${key} was told, and not its end`);
}

function keyOf({ type, volume, snapshot, data }: Event): string | undefined {
  if (type === "operation-started" || type === "operation-ended") return `${type} ${String(data?.["operation"])}`;
  if (!ONCE.includes(type)) return undefined;
  return data?.["group"] !== undefined && snapshot === undefined
    ? `${type} ${String(data["group"])}`
    : `${type} ${volume}@${snapshot}`;
}

/** What must have been told before it. */
function beforeOf({ type, volume, snapshot, data }: Event): string | undefined {
  if (type === "operation-ended") return `operation-started ${String(data?.["operation"])}`;
  if (type === "snapshot-dropped") return `snapshot-created ${volume}@${snapshot}`;
  if (type === "group-dropped") return `group-created ${String(data?.["group"])}`;
  return undefined;
}
