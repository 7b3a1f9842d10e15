/**
 * Listens on Unix sockets and TCP, and hands accepted sockets to export workers.
 *
 *   node:net accepts ─▶ descriptor number ─▶ Adopt to the worker with the fewest connections
 *   the socket object stays here, paused and never read, until the worker says ConnectionClosed; then it is destroyed
 *
 * Addresses are bound before anything is written: a server that cannot be reached must not have formatted or registered
 * a store. Clients that come then wait until the volume is open.
 *
 * How many may come and how long their handshake may take: client-limits.ts. A client that is refused is closed without a word, for
 * the protocol has none before its greeting.
 *
 * A stale Unix socket file is taken over, a live one refused; the file is removed at the end (socket-file.ts).
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { createServer, type Server, type Socket } from "node:net";
import { LISTEN_BACKLOG } from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import { keepAlive } from "../device/keep-alive.ts";
import { type CloseCause, Message } from "../ring/messages.ts";
import { Adopt } from "../ring/to-workers.ts";
import type { Channel } from "./channel.ts";
import { ClientLimits, type ClientStats, rethrow } from "./client-limits.ts";
import { ConnectionIds } from "./connection-ids.ts";
import type { ListenAddress } from "./listen-address.ts";
import { SocketFile } from "./socket-file.ts";

export class Listener {
  #workers: readonly Channel[] = [];
  #load: number[] = [];
  /** Accepted before there were workers. */
  readonly #waiting: Socket[] = [];
  readonly #limits: ClientLimits;
  readonly #failed: (error: unknown) => void;
  readonly #servers: Server[] = [];
  readonly #files: SocketFile[] = [];
  readonly #addresses: ListenAddress[] = [];
  readonly #sockets = new Map<number, { readonly socket: Socket; readonly worker: number }>();
  readonly #ids = new ConnectionIds();
  #closed = false;

  /** `failed`: a client could not be handed to its worker, which is no fault of the client's. */
  constructor(log: (line: string) => void = () => {}, failed: (error: unknown) => void = rethrow) {
    this.#failed = failed;
    this.#limits = new ClientLimits(log, failed);
  }

  /** Where clients may connect: TCP port 0 has become a real one. */
  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  stats(): ClientStats {
    return this.#limits.stats(this.#sockets.size);
  }

  /** Throws a SnapringError: EADDRINUSE, EACCES … */
  async listen(address: ListenAddress): Promise<void> {
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#accept(socket, address));
    const listen = (where: { path: string } | { port: number; host: string | undefined }): Promise<void> =>
      new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ ...where, backlog: LISTEN_BACKLOG }, resolve);
      });
    try {
      if (address.unix === undefined) await listen({ port: address.port ?? 0, host: address.host });
      else this.#files.push(await SocketFile.place(address.unix, (path) => listen({ path })));
    } catch (error) {
      server.close();
      throw listenError(address, error);
    }
    // A client that cannot be accepted for want of descriptors or memory: node has closed it, or it waits in the kernel.
    server.on("error", () => this.#limits.shortage());
    this.#servers.push(server);
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : undefined;
    this.#addresses.push(address.unix !== undefined ? address : { host: address.host, port });
  }

  /** The volume is open: clients get their workers, those who came too early first. Throws a SnapringError (EMFILE): no client could be. */
  serve(workers: readonly Channel[]): void {
    this.#workers = workers;
    this.#load = workers.map(() => 0);
    if (this.#servers.length > 0) this.#limits.serve(workers.length, this.#waiting.length);
    for (const socket of this.#waiting.splice(0)) this.#adopt(socket);
  }

  /** A worker has finished with a connection. */
  connectionClosed(id: number, cause: CloseCause): void {
    this.#limits.ended(id, cause);
    const entry = this.#sockets.get(id);
    if (entry === undefined) return;
    this.#sockets.delete(id);
    this.#load[entry.worker] -= 1;
    entry.socket.destroy();
  }

  entered(id: number): void {
    this.#limits.entered(id);
  }

  waiting(worker: Channel): void {
    this.#limits.waiting(worker);
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

  /** The volume has failed: the streams of a dead worker's clients end, or everybody's, whatever the workers still do with them. */
  endStreams(worker?: number): void {
    // Ended first: the ring has a descriptor of its own, and a close of ours alone would not be seen by the client.
    for (const { socket, worker: its } of this.#sockets.values())
      if (worker === undefined || worker === its) socket.end(() => socket.destroy());
  }

  /** After the workers have ended. */
  close(): void {
    this.#limits.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    for (const { socket } of this.#sockets.values()) socket.destroy();
    this.#sockets.clear();
  }

  #accept(socket: Socket, address: ListenAddress): void {
    const fd = descriptorOf(socket);
    socket.on("error", () => {});
    if (this.#closed || fd < 0) {
      socket.destroy();
      return;
    }
    try {
      if (address.unix === undefined) keepAlive(socket, fd);
      if (this.#workers.length > 0) this.#adopt(socket);
      else if (this.#limits.mayCome(this.#waiting.length)) this.#waiting.push(socket);
      else socket.destroy();
    } catch (error) {
      socket.destroy();
      this.#failed(error);
    }
  }

  /** Hand it to the worker with the fewest connections. */
  #adopt(socket: Socket): void {
    const fd = descriptorOf(socket);
    if (fd < 0 || !this.#limits.mayCome(this.#sockets.size)) {
      socket.destroy();
      return;
    }
    const worker = this.#load.indexOf(Math.min(...this.#load));
    const id = this.#ids.next((n) => this.#sockets.has(n));
    this.#load[worker] += 1;
    this.#sockets.set(id, { socket, worker });
    this.#limits.began(id, this.#workers[worker]);
    const { outbox } = this.#workers[worker];
    const at = outbox.begin(Message.Adopt, id);
    Adopt.fd.set(outbox.words, at, fd);
    outbox.flush();
  }
}

/** node keeps a socket's descriptor number in its handle. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1;
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
