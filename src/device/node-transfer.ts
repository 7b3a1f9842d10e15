/**
 * The system calls of the ring over node:fs: each does what it can at once, and returns a result as a completion has it.
 *
 * node:fs has no fallocate. Growth is a truncation upwards; a hole or a zeroed range is written as zeroes, for it must read
 * as zeroes afterwards; reserving space without growth is refused; a discard is advice and does nothing. Sockets must be
 * non-blocking, as those that node made are; node ignores SIGPIPE, so that a peer that has gone is an EPIPE.
 */
import { fdatasyncSync, fstatSync, ftruncateSync, readSync, readvSync, writeSync, writevSync } from "node:fs";
import { errno, errnoOf } from "../base/errno.ts";
import { AllocateMode, IoArg, IoOp } from "../ring/io-descriptor.ts";
import type { NodeFile, NodeRequest } from "./node-request.ts";
import { newSharedPages } from "./shared-pages.ts";

/** Not a result: the socket cannot go on now. */
export const WAIT = Number.NEGATIVE_INFINITY;

const ZERO_BYTES = 1024 * 1024;

/** System calls made by this thread's rings; each ring takes the difference. */
export const calls = { made: 0 };

/** A request on a file or block device, whole. */
export function runFile(request: NodeRequest, arena: Uint8Array): number {
  const { fd } = request.file as NodeFile;
  switch (request.op) {
    case IoOp.Read:
    case IoOp.ReadVector:
      return move(request, arena, fd, false, true);
    case IoOp.Write:
    case IoOp.WriteVector: {
      const written = move(request, arena, fd, true, true);
      if (written <= 0 || (request.argument & IoArg.Dsync) === 0) return written;
      const status = sync(fd);
      return status < 0 ? status : written;
    }
    case IoOp.Sync:
      return sync(fd);
    case IoOp.Allocate:
      return allocate(request, fd);
    default:
      return -errno.EINVAL;
  }
}

/** Send or receive as far as it goes; WAIT where the socket holds it up before it is complete. */
export function runSocket(request: NodeRequest, arena: Uint8Array): number {
  return move(request, arena, (request.file as NodeFile).fd, request.isSend, false);
}

/** Move bytes until the request is complete, the file ends, or nothing more goes. */
function move(request: NodeRequest, arena: Uint8Array, fd: number, out: boolean, positioned: boolean): number {
  const once = !positioned && !request.waitsForAll;
  // A send of nothing is made, too: it tells whether somebody is there.
  while (request.done < request.total || (request.isSend && request.total === 0)) {
    let moved: number;
    try {
      moved = call(request, arena, fd, out, positioned ? request.position + request.done : null);
    } catch (error) {
      const status = statusOf(error);
      if (status === -errno.EINTR) continue;
      if (status === -errno.EAGAIN && !positioned) return WAIT;
      // What has been moved has been moved: the answer must say so.
      return request.done > 0 ? request.done : status;
    }
    request.done += moved;
    if (moved === 0 || once) break;
  }
  return request.done;
}

/** One system call for everything that is left. */
function call(request: NodeRequest, arena: Uint8Array, fd: number, out: boolean, position: number | null): number {
  calls.made++;
  if (request.ranges === 1) {
    const at = request.starts[0] + request.done;
    const length = request.lengths[0] - request.done;
    return out ? writeSync(fd, arena, at, length, position) : readSync(fd, arena, at, length, position);
  }
  const views = remaining(request, arena);
  return out ? writevSync(fd, views, position ?? undefined) : readvSync(fd, views, position ?? undefined);
}

function remaining(request: NodeRequest, arena: Uint8Array): Uint8Array[] {
  const views: Uint8Array[] = [];
  let skip = request.done;
  for (let i = 0; i < request.ranges; i++) {
    const length = request.lengths[i];
    const start = request.starts[i];
    if (skip < length) views.push(arena.subarray(start + skip, start + length));
    skip = Math.max(0, skip - length);
  }
  return views;
}

function sync(fd: number): number {
  return attempt(() => {
    fdatasyncSync(fd);
  });
}

function allocate(request: NodeRequest, fd: number): number {
  const { argument, position, length2 } = request;
  const end = position + length2;
  switch (argument) {
    case AllocateMode.Discard:
      return 0;
    case AllocateMode.KeepSize:
      return -errno.EOPNOTSUPP;
    case 0:
      return attempt(() => {
        if (fstatSync(fd).size < end) ftruncateSync(fd, end);
      });
    default:
      return attempt(() => {
        const stat = fstatSync(fd);
        const keepsSize = (argument & AllocateMode.KeepSize) !== 0 && stat.isFile();
        writeZeroes(fd, position, keepsSize ? Math.min(end, stat.size) : end);
      });
  }
}

let zeroes: Uint8Array | undefined;

function writeZeroes(fd: number, from: number, end: number): void {
  // On a page, for files that are open with O_DIRECT.
  zeroes ??= new Uint8Array(newSharedPages(ZERO_BYTES));
  let at = from;
  while (at < end) {
    calls.made++;
    at += writeSync(fd, zeroes, 0, Math.min(ZERO_BYTES, end - at), at);
  }
}

function attempt(action: () => void): number {
  for (;;) {
    calls.made++;
    try {
      action();
      return 0;
    } catch (error) {
      const status = statusOf(error);
      if (status !== -errno.EINTR) return status;
    }
  }
}

/** -errno of what node threw; anything else is a fault of ours. */
function statusOf(error: unknown): number {
  const { errno: number, syscall } = error as { errno?: unknown; syscall?: unknown };
  if (typeof syscall !== "string") throw error;
  return typeof number === "number" ? -Math.abs(number) : -errnoOf(error);
}
