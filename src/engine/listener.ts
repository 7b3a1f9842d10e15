/**
 * Listens on Unix sockets, TCP and sockets that were inherited, for one volume or for all of an engine, and hands accepted sockets to its front.
 *
 *   node:net accepts ─▶ before the volume is open: waits here ─▶ front.ts ─▶ an export worker
 *
 * Addresses are bound before anything is written: a server that cannot be reached must not have formatted or registered
 * a store. Clients that come then wait until the volume is open.
 *
 * A stale Unix socket file is taken over, a live one refused; the file is removed at the end (socket-file.ts). Who may connect to it is decided before
 * anybody can (SocketAccess). What was inherited stays as it is (inherited-socket.ts).
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { LISTEN_BACKLOG } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import { keepAlive } from "../device/keep-alive.ts";
import type { Channel } from "./channel.ts";
import { rethrow } from "./client-limits.ts";
import { descriptorOf, type Front, type Scope } from "./front.ts";
import { groupNumber } from "./group-number.ts";
import { inheritedError, inheritedPath } from "./inherited-socket.ts";
import type { ListenAddress } from "./listen-address.ts";
import { SocketFile } from "./socket-file.ts";

/** Of the Unix sockets that are made, as in the options. */
export interface SocketAccess {
  readonly socketMode?: number | undefined;
  readonly socketGroup?: string | number | undefined;
}

/** What a listening server can be told to do. */
type Where = { path: string } | { port: number; host: string | undefined } | { fd: number };

export class Listener {
  readonly #front: Front;
  readonly #scope: Scope;
  /** Accepted before there were workers. */
  readonly #waiting: Socket[] = [];
  readonly #failed: (error: unknown) => void;
  readonly #servers: Server[] = [];
  readonly #files: SocketFile[] = [];
  readonly #addresses: ListenAddress[] = [];
  #serves = false;
  #closed = false;

  /** `failed`: a client could not be handed over, which is no fault of the client's. */
  constructor(front: Front, scope: Scope, failed: (error: unknown) => void = rethrow) {
    this.#front = front;
    this.#scope = scope;
    this.#failed = failed;
  }

  /** Where clients may connect: TCP port 0 has become a real one, and an inherited socket what it is bound to, where that has a name. */
  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  /** Throws a SnapringError: EADDRINUSE, EACCES, ENOENT (no such folder, no such group), ENOTSOCK … */
  async listen(address: ListenAddress, access: SocketAccess = {}): Promise<void> {
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#accept(socket, server));
    const listen = (where: Where): Promise<void> =>
      new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ ...where, backlog: LISTEN_BACKLOG }, resolve);
      });
    let bound: ListenAddress | undefined;
    try {
      if (address.fd !== undefined) bound = await this.#inherit(address.fd, server, listen);
      else if (address.unix !== undefined) bound = await this.#place(address, access, listen);
      else {
        await listen({ port: address.port ?? 0, host: address.host });
        bound = { host: address.host, port: tcpOf(server)?.port };
      }
    } catch (error) {
      server.close();
      throw listenError(address, error);
    }
    // A client that cannot be accepted for want of descriptors or memory: node has closed it, or it waits in the kernel.
    server.on("error", () => this.#front.limits.shortage());
    this.#servers.push(server);
    if (bound !== undefined) this.#addresses.push(bound);
  }

  /** What it serves is open: clients get their workers, those who came too early first. Throws a SnapringError (EMFILE): no client could be. */
  serve(workers: readonly Channel[]): void {
    if (this.#servers.length === 0) return;
    this.#front.serve(workers, this.#waiting.length);
    this.#serves = true;
    for (const socket of this.#waiting.splice(0)) this.#front.adopt(socket, this.#scope);
  }

  /** Accept no more; sockets that workers serve stay until they are finished with. A second call does nothing more. */
  async stop(): Promise<void> {
    this.#closed = true;
    // Before the listening ends: what stands there without anybody who listens is the next one's to take.
    for (const file of this.#files.splice(0)) file.remove();
    // A server's close ends only with its last socket; the listening itself ends at once.
    for (const server of this.#servers) server.close();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Who came too early is not served any more. */
  close(): void {
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  async #place(
    address: ListenAddress,
    { socketMode: mode, socketGroup }: SocketAccess,
    listen: (where: Where) => Promise<void>,
  ): Promise<ListenAddress> {
    const group = socketGroup === undefined ? undefined : await groupNumber(socketGroup);
    this.#files.push(await SocketFile.place(address.unix ?? "", { mode, group }, (path) => listen({ path })));
    return address;
  }

  async #inherit(
    fd: number,
    server: Server,
    listen: (where: Where) => Promise<void>,
  ): Promise<ListenAddress | undefined> {
    let unix: string | undefined;
    try {
      unix = inheritedPath(fd);
      await listen({ fd });
    } catch (error) {
      throw inheritedError(fd, error);
    }
    if (unix !== undefined) return { unix };
    const tcp = tcpOf(server);
    return tcp === undefined ? undefined : { host: tcp.address, port: tcp.port };
  }

  #accept(socket: Socket, server: Server): void {
    const fd = descriptorOf(socket);
    socket.on("error", () => {});
    if (this.#closed || fd < 0) {
      socket.destroy();
      return;
    }
    try {
      if (tcpOf(server) !== undefined) keepAlive(socket, fd);
      if (this.#serves) this.#front.adopt(socket, this.#scope);
      else if (this.#front.mayWait(this.#waiting.length)) this.#waiting.push(socket);
      else socket.destroy();
    } catch (error) {
      socket.destroy();
      this.#failed(error);
    }
  }
}

function tcpOf(server: Server): AddressInfo | undefined {
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound : undefined;
}

function listenError(address: ListenAddress, cause: unknown): SnapringError {
  if (cause instanceof SnapringError) return cause;
  const error = cause as NodeJS.ErrnoException;
  const where = address.unix ?? `${address.host}:${address.port}`;
  const why: Record<string, string> = {
    EADDRINUSE: "the address is in use",
    EACCES: "permission denied",
    ENOENT: "the folder does not exist",
    ENOTDIR: "a part of the path is not a directory",
    EADDRNOTAVAIL: "this machine has no such address",
    ENOTFOUND: "there is no such host",
    EMFILE: "too many open files",
  };
  // For a Unix socket in a folder that is missing node says EACCES.
  const missing = address.unix !== undefined && !existsSync(dirname(address.unix));
  const said = missing ? "ENOENT" : (error.code ?? "");
  const code = said === "EACCES" || said === "ENOENT" || said === "EMFILE" ? said : "EADDRINUSE";
  return new SnapringError(code, `cannot listen on ${where}: ${why[said] ?? error.message}`);
}
