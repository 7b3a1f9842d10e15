/**
 * The clients of an export worker, from their coming to their end: each has a record, and belongs to a volume as soon as it can enter no other.
 *
 *   Adopt ─▶ record, handshake ─▶ a volume's client ─▶ ending ─▶ nothing of it is under way ─▶ ConnectionClosed, the record is free
 *                                       │
 *   StopVolume ─▶ all clients of the volume end, or are cut ─▶ none is left, and no request ─▶ VolumeStopped
 *   Stop       ─▶ those of every volume, and whoever has chosen none yet
 *
 * It reads and sends nothing itself: connection-reader.ts and reply-sender.ts do.
 */
import { assert } from "../../src/base/assert.ts";
import { STILL_READS_MS, TRANSFER_MS } from "../../src/base/constants.ts";
import { FileKind } from "../../src/device/port.ts";
import { WorkerCounter } from "../../src/ring/counters.ts";
import { CloseCause, Message, StopHow } from "../../src/ring/messages.ts";
import { ConnectionClosed, VolumeStopped } from "../../src/ring/to-main.ts";
import { refused } from "../refused.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionReader } from "./connection-reader.ts";
import type { ExportContext } from "./context.ts";
import type { Departed } from "./departed.ts";
import type { AllExports, Exports } from "./exports.ts";
import type { ReplySender } from "./reply-sender.ts";
import type { ServedVolume } from "./served-volume.ts";

/** In place of a volume's number: the address serves all of them. */
export const ALL_VOLUMES = -1;

export interface ClientsParts {
  readonly context: ExportContext;
  readonly reader: ConnectionReader;
  readonly sender: ReplySender;
  readonly departed: Departed;
  /** What may be asked for at an address of one volume, by its number. */
  readonly exports: readonly (Exports | undefined)[];
  readonly allExports: AllExports;
}

export class Clients {
  readonly #context: ExportContext;
  readonly #reader: ConnectionReader;
  readonly #sender: ReplySender;
  readonly #departed: Departed;
  readonly #exports: readonly (Exports | undefined)[];
  readonly #allExports: AllExports;
  readonly #connections: readonly Connection[];
  /** They have been told to stop, and have not said that they have. */
  readonly stoppingVolumes: ServedVolume[] = [];
  /** When they were asked whether they are still there. */
  #askedAt = 0;
  #open = 0;
  #stopping = false;

  constructor({ context, reader, sender, departed, exports, allExports }: ClientsParts) {
    this.#context = context;
    this.#reader = reader;
    this.#sender = sender;
    this.#departed = departed;
    this.#exports = exports;
    this.#allExports = allExports;
    this.#connections = context.connections;
  }

  /** The worker was told to stop, and nobody is connected. */
  get isOver(): boolean {
    return this.#stopping && this.#open === 0;
  }

  /** Of whom nothing is received nobody hears that he has gone. */
  askAll(): void {
    const { now } = this.#context;
    if (this.#open === 0 || now - this.#askedAt < STILL_READS_MS) return;
    this.#askedAt = now;
    for (const connection of this.#connections) {
      if (connection.id !== -1) this.#sender.ask(connection);
    }
  }

  /** A client has come. `volume`: that of the address, or ALL_VOLUMES. */
  adopt(id: number, fd: number, volume: number): void {
    const connection = this.#connections.find((c) => c.id === -1);
    const exports = volume === ALL_VOLUMES ? this.#allExports : this.#exports[volume];
    if (connection === undefined || exports === undefined || this.#stopping) {
      this.#tellClosed(id, CloseCause.NoRoom);
      return;
    }
    assert(id >= 0 && fd >= 0, "a client without a number or a socket");
    const scope = volume === ALL_VOLUMES ? null : this.#context.volume(volume);
    const error = refused(() => this.#context.ring.setFile(connection.file, fd, FileKind.Socket));
    if (error !== 0) {
      this.#tellClosed(id, CloseCause.Shortage);
      return;
    }
    connection.begin(id);
    connection.volume = scope;
    if (scope !== null) scope.clients += 1;
    this.#count(1);
    this.#reader.start(connection, exports);
  }

  /** Close the connection once nothing of it is under way; of one that is broken, once nothing is that names its record. */
  settle(connection: Connection): void {
    if (connection.id === -1) return;
    if (connection.broken && !connection.ending) this.#reader.end(connection);
    if (!connection.ending || connection.isPosted) return;
    if (connection.broken) this.#departed.take(connection);
    // What a handshake had to say has left: as long as there is more of it, a send is under way (reply-sender.ts).
    if (connection.requests > 0) return;
    this.#reader.forget(connection);
    this.#context.ring.setFile(connection.file, -1, FileKind.Socket);
    this.#tellClosed(connection.id, connection.cause);
    this.#leaveVolume(connection);
    connection.reset();
    this.#count(-1);
  }

  #leaveVolume({ volume }: Connection): void {
    if (volume === null) return;
    volume.clients -= 1;
    assert(volume.clients >= 0, "more clients of a volume left than came");
  }

  #tellClosed(id: number, cause: CloseCause): void {
    const { outbox } = this.#context;
    const at = outbox.begin(Message.ConnectionClosed, 0, id);
    ConnectionClosed.cause.set(outbox.words, at, cause);
  }

  cutHandshake(id: number): void {
    const connection = this.#connections.find((c) => c.id === id);
    if (connection === undefined || connection.handshake === null) return;
    this.#cut(connection, CloseCause.Handshake);
  }

  /** Memory that clients hold without moving their data goes to those who wait for it. */
  relieve(): void {
    if (!this.#reader.stillWaiting(TRANSFER_MS)) return;
    const { now } = this.#context;
    for (const connection of this.#connections) {
      if (connection.isOverdue(now, TRANSFER_MS)) this.#cut(connection, CloseCause.Transfer);
    }
  }

  #cut(connection: Connection, cause: CloseCause): void {
    connection.cause = cause;
    connection.saidGoodbye = false;
    this.#reader.end(connection);
    this.#sender.cut(connection);
  }

  stop(how: StopHow): void {
    this.#stopping = true;
    for (const volume of this.#context.volumes) if (volume !== undefined) this.stopVolume(volume, how);
    for (const connection of this.#connections) {
      if (connection.id !== -1 && connection.volume === null) this.#endConnection(connection, how);
    }
  }

  /** Its clients end, and whoever is in a handshake by an address of its own. Told again, it may be more urgent. */
  stopVolume(volume: ServedVolume, how: StopHow): void {
    volume.stop(how);
    if (!volume.saidStopped && !this.stoppingVolumes.includes(volume)) this.stoppingVolumes.push(volume);
    const exports = this.#exports[volume.number];
    assert(exports !== undefined, "a volume is served that exports nothing");
    this.#allExports.remove(exports);
    for (const connection of this.#connections) {
      if (connection.volume !== volume) continue;
      if (how === StopHow.Cut) {
        if (connection.requests > 0) volume.clientsCut += 1;
        volume.requestsCut += connection.requests;
      }
      this.#endConnection(connection, how);
    }
  }

  #endConnection(connection: Connection, how: StopHow): void {
    // The volume has failed: what is under way is answered, nothing further begins.
    if (how === StopHow.Abandon) connection.abandoned = true;
    if (how === StopHow.Cut) this.#cut(connection, CloseCause.Ended);
    else this.#reader.end(connection);
  }

  /** At the end of a turn. */
  sayVolumesStopped(): void {
    if (this.stoppingVolumes.length === 0) return;
    const over = this.stoppingVolumes.filter((volume) => volume.isOver);
    for (const volume of over) {
      const { outbox } = this.#context;
      const at = outbox.begin(Message.VolumeStopped, volume.number, 0);
      VolumeStopped.requests.set(outbox.words, at, volume.requestsCut);
      VolumeStopped.clients.set(outbox.words, at, volume.clientsCut);
      volume.saidStopped = true;
      this.stoppingVolumes.splice(this.stoppingVolumes.indexOf(volume), 1);
    }
  }

  #count(more: number): void {
    this.#open += more;
    this.#context.counters[WorkerCounter.Connections] = this.#open;
  }
}
