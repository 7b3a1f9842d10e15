/**
 * `--listen unix:PATH` and `--listen tcp:HOST:PORT`: checked here, opened by the engine.
 */
import { SnapringError } from "../base/errno.ts";

/** What the kernel's sockaddr_un holds, without its final zero. */
const UNIX_PATH_BYTES_MAX = 107;

/** Where a server listens that was not told: NBD's own port, on loopback only. */
export const DEFAULT_LISTEN = "tcp:127.0.0.1:10809";

/** `text` itself if it is a listen address; throws a SnapringError (EUSAGE) otherwise. */
export function parseListenOption(text: string): string {
  if (text.startsWith("unix:")) return checkUnix(text);
  if (text.startsWith("tcp:")) return checkTcp(text);
  throw wrong(text, "it begins neither with unix: nor with tcp:");
}

/** The socket file of a unix address. */
export function unixPathOf(listen: string): string | undefined {
  return listen.startsWith("unix:") ? listen.slice("unix:".length) : undefined;
}

function checkUnix(text: string): string {
  const bytes = Buffer.byteLength(unixPathOf(text) ?? "");
  if (bytes === 0) throw wrong(text, "the path is missing");
  if (bytes > UNIX_PATH_BYTES_MAX)
    throw wrong(text, `a socket's path has at most ${UNIX_PATH_BYTES_MAX} bytes, this one ${bytes}`);
  return text;
}

function checkTcp(text: string): string {
  const match = /^tcp:(\[[0-9a-fA-F:.]+\]|[^:[\]]+):([0-9]{1,5})$/.exec(text);
  if (match === null) throw wrong(text, "it is not tcp:HOST:PORT");
  if (Number(match[2]) > 65535) throw wrong(text, "a port is at most 65535");
  return text;
}

function wrong(text: string, why: string): SnapringError {
  return new SnapringError("EUSAGE", `--listen '${text}': ${why}`, { hint: "write unix:PATH or tcp:HOST:PORT" });
}
