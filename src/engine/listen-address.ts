/**
 * Addresses: the one reader of `unix:PATH`, `tcp:HOST:PORT` and `fd:N`, for the library and the command line, and the URIs that lead there.
 *
 * What the kernel would do with an address that it cannot take is worse than an error: a socket's path over 107 bytes is cut, and the
 * server listens somewhere else. So an address is checked before anything is opened; whether it can be had shows when it is bound.
 */
import { resolve } from "node:path";

export interface ListenAddress {
  readonly unix?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** A listening socket that was inherited (inherited-socket.ts). It is no place that a client could be told. */
  readonly fd?: number | undefined;
}

/** What the kernel's sockaddr_un holds, without its final zero. */
const UNIX_PATH_BYTES_MAX = 107;

const PORT_MAX = 65535;

/** Those below are the process's input, output and errors. */
const INHERITED_MIN = 3;
const DESCRIPTOR_MAX: number = 2 ** 31 - 1;

const TCP = /^tcp:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/;

/** The address that a text is; a sentence that says why it is none. */
export function readAddress(text: string): ListenAddress | string {
  if (text.startsWith("unix:")) {
    const unix = text.slice("unix:".length);
    return unixFault(unix) ?? { unix };
  }
  if (text.startsWith("fd:")) return readInherited(text.slice("fd:".length));
  if (!text.startsWith("tcp:")) return "it begins neither with unix: nor with tcp: nor with fd:";
  const tcp = TCP.exec(text);
  if (tcp === null) return "it is not tcp:HOST:PORT";
  const port = Number(tcp[3]);
  return port > PORT_MAX ? `a port is at most ${PORT_MAX}` : { host: tcp[1] ?? tcp[2], port };
}

/** The NBD URI of an export there: it can be pasted as it is, into another folder's shell, too. */
export function uriOf(address: ListenAddress, name: string): string {
  const path = encode(name);
  if (address.unix !== undefined) {
    // A client elsewhere needs the whole path; one that no client could connect to would be of no use.
    const whole = resolve(address.unix);
    const socket = unixFault(whole) === undefined ? whole : address.unix;
    return `nbd+unix:///${path}?socket=${encode(socket).replaceAll("%2F", "/")}`;
  }
  const host = address.host?.includes(":") ? `[${address.host}]` : address.host;
  return `nbd://${host}:${address.port}/${path}`;
}

function readInherited(text: string): ListenAddress | string {
  const fd = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (fd >= INHERITED_MIN && fd <= DESCRIPTOR_MAX) return { fd };
  return `a descriptor that was inherited is a number from ${INHERITED_MIN} on`;
}

function unixFault(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  if (bytes === 0) return "the path is missing";
  if (path.includes("\0")) return "a path has no zero byte";
  if (bytes > UNIX_PATH_BYTES_MAX) return `a socket's path has at most ${UNIX_PATH_BYTES_MAX} bytes, this one ${bytes}`;
  return undefined;
}

/** Also what a shell would take for its own. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
