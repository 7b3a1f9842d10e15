/**
 * Why a thread is gone, in words: what the machine refused it, and what to do about that; or that it has died, of which error.
 *
 *   refused by its ring, at its start    said by the worker through its port (channel.ts)
 *   refused by node, when it is made     "Worker initialization failure: EMFILE"
 *   refused its own files                node's error, whose code may be lost between threads; its text begins with it
 *   anything else                        a defect
 */
import { errno, type ErrnoName, isShortage, SnapringError } from "../base/errno.ts";
import { errnoError } from "../device/system-error.ts";
import type { Channel } from "./channel.ts";
import { MORE_THREADS } from "./refusal.ts";

export function workerLoss(channel: Channel, cause: unknown): SnapringError {
  const { role, index, refused, ringKind } = channel;
  const who = `${role} worker ${index}`;
  if (refused !== undefined) {
    const { code, message, hint } = refused;
    return new SnapringError(code, `${who} cannot start: ${message}`, { hint, cause });
  }
  return threadLoss(who, ringKind === "", cause);
}

/** Of a thread that could not say anything itself. */
export function threadLoss(who: string, isStarting: boolean, cause: unknown): SnapringError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const shortage = shortageIn(cause, text);
  if (shortage === "EAGAIN") {
    return new SnapringError("EAGAIN", `${who} cannot start: the limit on threads has been reached`, {
      hint: MORE_THREADS,
      cause,
    });
  }
  if (shortage !== undefined) {
    return errnoError(errno[shortage], `${who} ${isStarting ? "cannot start" : "has died"}`, cause);
  }
  return new SnapringError("EIO", `${who} has died: ${text}`, { cause });
}

function shortageIn(cause: unknown, text: string): ErrnoName | undefined {
  const { code } = cause as { code?: unknown };
  return shortageNamed(code) ?? shortageNamed(/(?:^|failure: )(E[A-Z]+)\b/.exec(text)?.[1]);
}

function shortageNamed(code: unknown): ErrnoName | undefined {
  if (typeof code !== "string" || !(code in errno)) return undefined;
  return isShortage(errno[code as ErrnoName]) ? (code as ErrnoName) : undefined;
}
