/**
 * May a run have ended as it did, given the call that failed? By device and kind:
 *
 *   origin  read    the read itself; a copy: the snapshots that waited for it become invalid (E-9, E-15)
 *           write   the write itself; a merge fails (S-66)
 *           flush   the flush itself; opening (C-49) or creation (C-30) is refused; a merge fails
 *   store   read    the read itself; opening is refused (S-37); a merge fails
 *           write   the write itself; a copy, a commit: invalid (S-50); opening or creation is refused; a merge fails
 *           flush   the flush itself; a commit: invalid; opening or creation is refused; a merge fails
 *
 * What does not stand there must not have happened: no other request fails, and the live volume never for a snapshot (E-15).
 * Opened again, everything holds what its ledger allows; a snapshot is invalid if it was said to be, and only then.
 */
import { decodeStore, viewOf } from "../sim/store-decoder.ts";
import { firstDifference } from "../support/volume.ts";
import type { Outcome, Step } from "./run.ts";

const DEVICE_NAMES = ["origin", "a", "b"];
/** What a client is told where a device fails: NBD's EIO and ENOSPC. */
const CLIENT_ERRORS = ["5", "28"];
const ORDER_ERRORS = ["EIO", "ENOSPC"];

/** What is wrong, a line each. */
export function judge(outcome: Outcome): string[] {
  return [
    ...outcome.misread,
    ...outcome.steps.flatMap((step) => stepWrong(step, outcome)),
    ...noticesWrong(outcome),
    ...reopenedWrong(outcome),
  ];
}

function stepWrong(step: Step, outcome: Outcome): string[] {
  const { side, what, error, merging } = step;
  const text = `${side === "" ? "origin" : side} ${what}${merging ? " while merging" : ""}: ${error}`;
  if (error === "") return [];
  const isOrder = ["open", "create", "drop", "merge", "close"].includes(what);
  if (!isOrder && !CLIENT_ERRORS.includes(error)) return [`${text} is no error of a device`];
  if (what === "merge") return isInvalid(outcome, "a") ? [] : [`${text}: a merge was refused`];
  if (isOrder && !ORDER_ERRORS.includes(error)) return [`${text} is no error of a device`];
  return mayFail(step, outcome) ? [] : [`${text}, though ${failedText(outcome)}`];
}

function mayFail({ side, what, merging }: Step, outcome: Outcome): boolean {
  const { failed } = outcome;
  if (failed === undefined || what === "drop" || what === "close") return false;
  const { kind } = failed;
  const device = DEVICE_NAMES[failed.device];
  const own = what === "fua" ? kind === "write" || kind === "flush" : kind === what;
  if (what === "open") return device === "origin" || device === "a";
  if (what === "create") return device === "b" || (device === "origin" && kind === "flush");
  // The merging volume is both devices.
  if (side === "") return (device === "origin" && own) || (merging && device === "a");
  if (device === side) return own || isInvalid(outcome, side) || what !== "read";
  return device === "origin" && kind === "read" && (own || isInvalid(outcome, side));
}

function isInvalid({ notices }: Outcome, name: string): boolean {
  return notices.some((notice) => notice.name === name && notice.event === "invalid");
}

function noticesWrong(outcome: Outcome): string[] {
  const wrong: string[] = [];
  const { failed, notices, steps } = outcome;
  const device = failed === undefined ? "" : DEVICE_NAMES[failed.device];
  for (const { name, event, reason } of notices) {
    const dropped = steps.some(({ side, what }) => side === name && what === "drop");
    const may =
      event === "merged" ||
      (event === "merge-failed" && (device === "origin" || device === "a")) ||
      (event === "dropped" && dropped) ||
      (event === "invalid" &&
        (device === name ? failed?.kind !== "read" : device === "origin" && failed?.kind === "read")) ||
      (event === "header-write-failed" && device === name && failed?.kind !== "read");
    if (!may) wrong.push(`${name}: ${event} ${reason}, though ${failedText(outcome)}`);
  }
  return wrong;
}

function failedText({ failed }: Outcome): string {
  if (failed === undefined) return "nothing failed";
  return `a ${failed.kind} of ${DEVICE_NAMES[failed.device]} was the first that failed`;
}

function reopenedWrong({ reopened, notices, ledgers, end, images, steps }: Outcome): string[] {
  if (reopened.error !== "") return [`it does not open again: ${reopened.error}`];
  const wrong: string[] = [];
  const { a } = reopened;
  const invalid = notices.some(({ name, event }) => name === "a" && event === "invalid");
  if (a.state !== (invalid ? "invalid" : "active"))
    wrong.push(`a is ${a.state} again, and was ${invalid ? "invalid" : "active"}`);
  if (!steps.some(({ what, error, merging }) => what !== "merge" && merging && error === "")) {
    const at = ledgers.origin.wrong(reopened.origin, end, "acknowledged");
    if (at !== undefined) wrong.push(`origin: ${at}`);
  }
  if (a.view !== undefined) {
    const at = ledgers.a.wrong(a.view, end, "acknowledged");
    if (at !== undefined) wrong.push(`a: ${at}`);
    wrong.push(...decodedWrong(images, a.view));
  }
  if (steps.some(({ side, what, error }) => side === "b" && what === "drop" && error === "")) {
    if (decodeStore(images[2], images[0].length).state === "active" && !reopened.registered.includes("b"))
      wrong.push("b was dropped, and a valid store is left that is registered nowhere");
  }
  return wrong;
}

function decodedWrong(images: readonly Uint8Array[], view: Uint8Array): string[] {
  const decoded = decodeStore(images[1], images[0].length);
  if (decoded.state === "new") return [];
  const at = firstDifference(view, viewOf(decoded, images[1], images[0]));
  return at === -1 ? [] : [`a: the view differs from the decoder's at byte ${at}`];
}
