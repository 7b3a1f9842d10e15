/**
 * A listening socket that this process was started with (`fd:N`), and what it can be told about it before node takes it.
 *
 *   systemd, a parent ─ binds, listens ─▶ descriptor N of ours ─▶ is it one? ─▶ node listens on it ─▶ clients, those too that came before us
 *                                                                └▶ where is it? /proc/net/unix; of TCP node says it
 *
 * node takes any descriptor, and closes what turns out to be none that listens: so what is no socket is refused before. A Unix socket has its name only
 * in the kernel's table (node has no getsockname for it); one without a name there, or with one that is no path from the root, is served, and has no URI.
 * Its file, mode and group are whoever's who made it: nothing of it is changed, nor removed at the end. Runs on main, once for each address.
 */
import { fstatSync, readFileSync } from "node:fs";
import { type ErrnoName, SnapringError } from "../base/errno.ts";

/** Of a listening socket, __SO_ACCEPTCON (include/uapi/linux/net.h), and a stream's type. */
const ACCEPTS = 0x10000;
const STREAM = "0001";

/** Number, references, protocol, flags, type, state, inode, and what may be missing: the name. */
const UNIX_SOCKET = /^[0-9a-f]+: [0-9A-F]+ [0-9A-F]+ ([0-9A-F]+) ([0-9A-F]+) [0-9A-F]+ +([0-9]+)(?: (.*))?$/;

/** The path at which clients find it, where it has one. Throws a SnapringError: EBADF, ENOTSOCK, EINVAL (a Unix socket that does not listen). */
export function inheritedPath(fd: number): string | undefined {
  const inode = inodeOf(fd);
  const table = readFileSync("/proc/net/unix", "utf8");
  for (const line of table.split("\n")) {
    const [, flags = "", type, number, path] = UNIX_SOCKET.exec(line) ?? [];
    if (number !== inode) continue;
    if (type !== STREAM || (Number.parseInt(flags, 16) & ACCEPTS) === 0) throw notListening(fd);
    // A name that begins with @ is no file; from a relative one nobody knows where it leads.
    return path?.startsWith("/") === true ? path : undefined;
  }
  return undefined;
}

/** What node says of a descriptor that it cannot listen on. */
export function inheritedError(fd: number, cause: unknown): SnapringError {
  if (cause instanceof SnapringError) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "EEXIST") return refused(fd, "EADDRINUSE", "it is in use in this process already");
  return notListening(fd);
}

function inodeOf(fd: number): string {
  let stat: ReturnType<typeof fstatSync>;
  try {
    stat = fstatSync(fd);
  } catch {
    throw refused(fd, "EBADF", "there is no such descriptor");
  }
  if (!stat.isSocket()) throw refused(fd, "ENOTSOCK", "it is no socket");
  return String(stat.ino);
}

function notListening(fd: number): SnapringError {
  return refused(fd, "EINVAL", "it is no stream socket that listens");
}

function refused(fd: number, code: ErrnoName, why: string): SnapringError {
  return new SnapringError(code, `cannot listen on fd:${fd}: ${why}`, {
    hint: "N is the number of a listening socket that was handed to this process when it was started; systemd's begin at 3",
  });
}
