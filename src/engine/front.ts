/**
 * The clients of an engine, on main: hands accepted sockets to export workers, and knows which volume each has entered.
 *
 *   listener.ts accepts ─▶ descriptor number ─▶ Adopt to the worker with the fewest connections
 *   the socket object stays here, paused and never read, until the worker says ConnectionClosed; then it is destroyed
 *
 * How many may come and how long their handshake may take: client-limits.ts. A client that is refused is closed without a word, for
 * the protocol has none before its greeting. One limit, one set of numbers and one measure of load are for all volumes of the engine.
 */
import type { Socket } from "node:net";
import { type CloseCause, Message } from "../ring/messages.ts";
import { Adopt } from "../ring/to-workers.ts";
import type { Channel } from "./channel.ts";
import { ClientLimits, type ClientStats, rethrow } from "./client-limits.ts";
import { ConnectionIds } from "./connection-ids.ts";

/** Which exports an address serves: those of a volume, or, under longer names, those of all volumes. */
export type Scope = number | "all";

/** A client that has entered an export of a volume, or has left it. */
export interface ClientNews {
  /** Undefined: it has come. */
  readonly left?: CloseCause | undefined;
  readonly connection: number;
  /** Of the volume; LIVE_VOLUME: none. */
  readonly snapshot: number;
  /** "unix", or HOST:PORT. */
  readonly address: string;
}

interface Client {
  readonly socket: Socket;
  readonly worker: number;
  /** The volume whose client it is; undefined: it has chosen none yet. */
  volume: number | undefined;
  /** What its volume was told; undefined: nothing yet. */
  news: ClientNews | undefined;
}

export class Front {
  readonly limits: ClientLimits;
  readonly #clients = new Map<number, Client>();
  readonly #ids = new ConnectionIds();
  readonly #tell: (volume: number, news: ClientNews) => void;
  #workers: readonly Channel[] = [];
  #load: number[] = [];

  /** `failed`: a client could not be handed to its worker, which is no fault of the client's. `tell`: a volume hears of its clients. */
  constructor(
    log: (line: string) => void = () => {},
    failed: (error: unknown) => void = rethrow,
    tell: (volume: number, news: ClientNews) => void = () => {},
  ) {
    this.limits = new ClientLimits(log, failed);
    this.#tell = tell;
  }

  stats(): ClientStats {
    return this.limits.stats(this.#clients.size);
  }

  /** One more may wait until the volume is open, where `waiting` do. */
  mayWait(waiting: number): boolean {
    return this.limits.mayCome(this.#clients.size + waiting);
  }

  /** The threads are there. `waiting`: clients who came too early. Throws a SnapringError (EMFILE): nobody could be served. */
  serve(workers: readonly Channel[], waiting: number): void {
    if (this.#workers !== workers) {
      this.#workers = workers;
      this.#load = workers.map(() => 0);
    }
    this.limits.serve(workers.length, waiting + this.#clients.size);
  }

  /** Hand it to the worker with the fewest connections. */
  adopt(socket: Socket, scope: Scope): void {
    const fd = descriptorOf(socket);
    if (fd < 0 || !this.limits.mayCome(this.#clients.size)) {
      socket.destroy();
      return;
    }
    const worker = this.#load.indexOf(Math.min(...this.#load));
    const id = this.#ids.next((n) => this.#clients.has(n));
    this.#load[worker] += 1;
    this.#clients.set(id, { socket, worker, volume: scope === "all" ? undefined : scope, news: undefined });
    this.limits.began(id, this.#workers[worker]);
    const { outbox } = this.#workers[worker];
    const at = outbox.begin(Message.Adopt, scope === "all" ? 0 : scope, id);
    Adopt.fd.set(outbox.words, at, fd);
    Adopt.all.set(outbox.words, at, scope === "all");
    outbox.flush();
  }

  /** A worker has finished with a connection. */
  connectionClosed(id: number, cause: CloseCause): void {
    this.limits.ended(id, cause);
    const client = this.#clients.get(id);
    if (client === undefined) return;
    this.#clients.delete(id);
    this.#load[client.worker] -= 1;
    if (client.news !== undefined && client.volume !== undefined)
      this.#tell(client.volume, { ...client.news, left: cause });
    client.socket.destroy();
  }

  /** `snapshot`: of the volume, or LIVE_VOLUME. */
  entered(id: number, volume: number, snapshot: number): void {
    this.limits.entered(id);
    const client = this.#clients.get(id);
    if (client === undefined) return;
    client.volume = volume;
    client.news = { connection: id, snapshot, address: addressOf(client.socket) };
    this.#tell(volume, client.news);
  }

  /** The engine has failed: the streams of a dead worker's clients end, or everybody's, whatever the workers still do with them. */
  endStreams(worker?: number): void {
    for (const client of this.#clients.values())
      if (worker === undefined || worker === client.worker) endStream(client);
  }

  /** A volume has failed. */
  endStreamsOf(volume: number): void {
    for (const client of this.#clients.values()) if (client.volume === volume) endStream(client);
  }

  /** After the workers have ended. */
  close(): void {
    this.limits.close();
    for (const { socket } of this.#clients.values()) socket.destroy();
    this.#clients.clear();
  }
}

/** Ended first: the ring has a descriptor of its own, and a close of ours alone would not be seen by the client. */
function endStream({ socket }: Client): void {
  socket.end(() => socket.destroy());
}

/** Of a Unix socket's client there is none. */
function addressOf({ remoteAddress: host, remotePort: port }: Socket): string {
  if (host === undefined || port === undefined) return "unix";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** node keeps a socket's descriptor number in its handle. */
export function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1;
}
