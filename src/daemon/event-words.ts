/**
 * Events as lines of the log, for people. What the engine says itself of a snapshot is not said twice.
 */
import type { DaemonEvent } from "./daemon-event.ts";
import type { ProblemDetails } from "./problem.ts";

export interface EventLine {
  readonly level: "info" | "warn" | "error";
  readonly line: string;
}

/** Undefined: somebody else has said it, or it is no change. */
export function eventLine({ type, data = {} }: DaemonEvent): EventLine | undefined {
  const text = (key: string): string => String(data[key]);
  const why = (data["problem"] as ProblemDetails | undefined)?.detail ?? "";
  switch (type) {
    case "volume-failed":
      return { level: "error", line: `the volume has failed: ${why}` };
    case "volume-open":
      return { level: "info", line: "the volume is open" };
    case "volume-closed":
      return { level: "info", line: "the volume is closed" };
    case "volume-added":
      return { level: "info", line: `the volume was added, on ${text("origin")}` };
    case "volume-removed":
      return { level: "info", line: "the volume was removed" };
    case "snapshot-created":
      return { level: "info", line: createdLine(data) };
    case "snapshot-creation-undone":
      return { level: "warn", line: "the snapshot had been begun before the daemon ended; nothing is left of it" };
    case "group-created":
      return { level: "info", line: `group ${text("group")} was made` };
    case "group-dropped":
      return { level: "info", line: `group ${text("group")} is dropped` };
    case "pool-created":
      return { level: "info", line: `pool ${text("pool")} was made, in ${text("dir")}` };
    case "pool-removed":
      return { level: "info", line: `pool ${text("pool")} was removed` };
    case "operation-ended":
      return operationLine(text("operation"), text("kind"), text("state"), why);
    default:
      return undefined;
  }
}

function createdLine(data: Readonly<Record<string, unknown>>): string {
  if (data["recovered"] === true) return "the snapshot had been made before the daemon ended, and is whole";
  const pauseUs = data["pauseUs"];
  return typeof pauseUs === "number"
    ? `the snapshot was made, writes were held for ${(pauseUs / 1000).toFixed(1)} ms`
    : "the snapshot was made";
}

function operationLine(id: string, kind: string, state: string, why: string): EventLine | undefined {
  if (state === "done") return undefined;
  if (state === "cancelled") return { level: "info", line: `${id} (${kind}) was cancelled` };
  return { level: "error", line: `${id} (${kind}) has failed: ${why}` };
}
