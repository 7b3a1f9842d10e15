/**
 * `--listen unix:PATH`, `--listen tcp:HOST:PORT` and `--listen fd:N`: read by the engine's one reader of addresses, refused in the command line's words.
 * And who may connect to the sockets that are made: `--socket-mode`, `--socket-group`.
 */
import { isIPv4 } from "node:net";
import type { Command } from "commander";
import { SnapringError } from "../base/errno.ts";
import { readAddress } from "../engine/listen-address.ts";
import { notEmpty, optionValue } from "./option-value.ts";

export interface AccessOptions {
  readonly socketMode?: number;
  readonly socketGroup?: string | number;
}

/** Where a server listens that was not told: NBD's own port, on loopback only. */
export const DEFAULT_LISTEN = "tcp:127.0.0.1:10809";

/** `text` itself if it is a listen address; throws a SnapringError (EUSAGE) otherwise. */
export function parseListenOption(text: string): string {
  const address = readAddress(text);
  if (typeof address !== "string") return text;
  throw new SnapringError("EUSAGE", `--listen '${text}': ${address}`, {
    hint: "write unix:PATH, tcp:HOST:PORT or fd:N",
  });
}

/** The socket file of a unix address. */
export function unixPathOf(listen: string): string | undefined {
  const address = readAddress(listen);
  return typeof address === "string" ? undefined : address.unix;
}

/** What is to be said of addresses that other machines may reach. */
export function exposedWords(listen: readonly string[]): string[] {
  return listen
    .filter((text) => {
      const address = readAddress(text);
      return typeof address !== "string" && address.host !== undefined && isExposed(address.host);
    })
    .map(
      (text) => `${text} may be reached from other machines: whoever reaches it may read and write, without a password`,
    );
}

/** Other machines may reach it. */
export function isExposed(host: string): boolean {
  return !(host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127.")));
}

/** Adds --socket-mode and --socket-group. */
export function withAccess(command: Command): Command {
  return command
    .option(
      "--socket-mode <MODE>",
      "mode of the Unix sockets that are made, in octal (default: 0660 with --socket-group, else as the umask says, 0755 at most)",
      optionValue(parseMode),
    )
    .option("--socket-group <GROUP>", "… and their group, by name or number", (text) => groupOf(notEmpty(text)));
}

/** As the library takes them. */
export function accessOf({ socketMode, socketGroup }: AccessOptions): AccessOptions {
  return {
    ...(socketMode === undefined ? {} : { socketMode }),
    ...(socketGroup === undefined ? {} : { socketGroup }),
  };
}

/** `0660`, as chmod takes it. Throws a SnapringError (EUSAGE). */
export function parseMode(text: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
  throw new SnapringError("EUSAGE", `'${text}' is not a mode from 0000 to 0777, in octal`);
}

/** A name, where it is not a number. */
function groupOf(text: string): string | number {
  return /^[0-9]+$/.test(text) ? Number(text) : text;
}
