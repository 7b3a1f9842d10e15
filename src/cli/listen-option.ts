/**
 * `--listen unix:PATH` and `--listen tcp:HOST:PORT`: read by the engine's one reader of addresses, refused in the command line's words.
 */
import { SnapringError } from "../base/errno.ts";
import { readAddress } from "../engine/listen-address.ts";

/** Where a server listens that was not told: NBD's own port, on loopback only. */
export const DEFAULT_LISTEN = "tcp:127.0.0.1:10809";

/** `text` itself if it is a listen address; throws a SnapringError (EUSAGE) otherwise. */
export function parseListenOption(text: string): string {
  const address = readAddress(text);
  if (typeof address !== "string") return text;
  throw new SnapringError("EUSAGE", `--listen '${text}': ${address}`, { hint: "write unix:PATH or tcp:HOST:PORT" });
}

/** The socket file of a unix address. */
export function unixPathOf(listen: string): string | undefined {
  const address = readAddress(listen);
  return typeof address === "string" ? undefined : address.unix;
}
