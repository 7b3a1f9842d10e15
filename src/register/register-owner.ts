/**
 * Whose register is believed: what stands in one decides what is opened, given up and marked Invalid, and anybody who may write to the
 * origin's folder can put one there.
 *
 *   the register belongs to      it is
 *   this user, or root           believed
 *   the owner of the origin      believed of the origin, which that user may change as it likes; what it says of stores is done only to
 *                                those of the same owner (abandon.ts)
 *   anybody else                 refused in words, never passed over: it may be right, and then its snapshots matter
 *
 * "This user" is the effective one. The origin of a loop device is its file. A register that is replaced keeps its owner and mode, so that
 * a service finds its own after root has merged for it.
 */
import { SnapringError } from "../base/errno.ts";
import { shellQuoted } from "../base/printable.ts";

const ROOT = 0;

/** -1 where the system has no users. */
export function thisUser(): number {
  return process.geteuid?.() ?? -1;
}

/** What it says may be done to whatever it names. */
export function isOwnOrRoots(owner: number, user: number = thisUser()): boolean {
  return owner === ROOT || owner === user;
}

/** `about`: the owner of the file that it is about. Throws a SnapringError (EPERM). */
export function refuseForeignRegister(path: string, owner: number, about: number, user: number = thisUser()): void {
  if (isOwnOrRoots(owner, user) || owner === about) return;
  throw new SnapringError(
    "EPERM",
    `the register of snapshots ${path} belongs to user ${owner}, who is neither this user (${user}), root, nor the owner of the origin (${about}): it is not believed`,
    { hint: `look at it, and give it the origin's owner if it is right: chown ${about} ${shellQuoted(path)}` },
  );
}

/** May a register of this owner have a store of that one marked Invalid? */
export function mayGiveUp(registerOwner: number, storeOwner: number, user: number = thisUser()): boolean {
  return isOwnOrRoots(registerOwner, user) || registerOwner === storeOwner;
}
