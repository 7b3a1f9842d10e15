/**
 * NBD clients of a volume in depth B: connections to any worker, any number of requests under way, replies in any order. Where clients are
 * slow, one vanishes now and then, with whatever it has under way.
 */
import { errno } from "../../../src/base/errno.ts";
import { Command } from "../../../src/nbd/wire/protocol.ts";
import type { SeededRandom } from "../../support/core/seeded-random.ts";
import { ExportClient } from "../../support/export-client.ts";
import { FakeSocket } from "../../support/fake-socket.ts";
import type { Ask, SimRequest } from "../sim-volume.ts";

const FLAG_FUA = 1;
const FLAG_NO_HOLE = 2;
const CONNECTIONS_PER_EXPORT = 3;
/** Of a hundred requests, after so many the client vanishes. */
const VANISH_PERCENT = 2;

interface Waiting {
  done: boolean;
  error: number;
  gone: boolean;
  readonly ask: Ask;
}

interface SimConnection {
  readonly client: ExportClient;
  readonly waiting: Map<number, Waiting>;
}

/** Where clients come in. */
export interface Addresses {
  /** The volume's name at the address of an engine that has several; undefined: there is no such address. */
  readonly name: string | undefined;
  /** Hand a connection to a worker; its number, by which the replies come back. `all`: it has come by the address of all volumes. */
  readonly adopt: (socket: FakeSocket, all: boolean) => number;
}

export class SimClients {
  readonly #random: SeededRandom;
  readonly #vanish: boolean;
  readonly #addresses: Addresses;
  readonly #byExport = new Map<string, SimConnection[]>();

  constructor(random: SeededRandom, vanish: boolean, addresses: Addresses) {
    this.#random = random;
    this.#vanish = vanish;
    this.#addresses = addresses;
  }

  request(name: string, ask: Ask): SimRequest {
    const { client, waiting } = this.#connection(name);
    const request: Waiting = { done: false, error: 0, gone: false, ask };
    waiting.set(this.#send(client, ask), request);
    if (this.#vanish && this.#random.chance(VANISH_PERCENT)) client.socket.gone = true;
    return request;
  }

  /** Take the replies that have come. */
  collect(): void {
    for (const connections of this.#byExport.values()) {
      for (const { client, waiting } of connections) {
        if (waiting.size === 0) continue;
        for (const { cookie, error, data } of client.replies()) {
          const request = waiting.get(cookie);
          if (request === undefined) throw new Error("a reply to nothing");
          waiting.delete(cookie);
          if (error === 0 && request.ask.kind === "read") request.ask.into.set(data);
          request.error = error;
          request.done = true;
        }
      }
    }
  }

  /** The server has closed the connection, of an export that is gone: what was not answered fails. */
  closed(id: number): void {
    this.collect();
    for (const connections of this.#byExport.values()) {
      const at = connections.findIndex(({ client }) => client.id === id);
      if (at < 0) continue;
      const { client, waiting } = connections[at]!;
      for (const request of waiting.values()) {
        request.gone = client.socket.gone;
        request.error = errno.ESHUTDOWN;
        request.done = true;
      }
      connections.splice(at, 1);
    }
  }

  #connection(name: string): SimConnection {
    const connections = this.#byExport.get(name) ?? [];
    this.#byExport.set(name, connections);
    const at = this.#random.below(CONNECTIONS_PER_EXPORT);
    const known = connections[at];
    if (known !== undefined) return known;
    const socket = new FakeSocket();
    const { name: volume, adopt } = this.#addresses;
    const all = volume !== undefined && this.#random.chance(50);
    const client = new ExportClient(adopt(socket, all), socket);
    client.enter(!all ? name : name === "" ? volume : `${volume}@${name}`);
    client.skipHandshake();
    const connection = { client, waiting: new Map<number, Waiting>() };
    connections.push(connection);
    return connection;
  }

  #send(client: ExportClient, ask: Ask): number {
    switch (ask.kind) {
      case "read":
        return client.read(ask.at, ask.into.length);
      case "write": {
        const flags = ask.fua ? FLAG_FUA : 0;
        if (!ask.zeroes) return client.write(ask.at, ask.data, flags);
        const hole = this.#random.chance(50) ? FLAG_NO_HOLE : 0;
        return client.request(Command.WriteZeroes, ask.at, ask.data.length, flags | hole);
      }
      case "trim":
        return client.request(Command.Trim, ask.at, ask.length);
      case "flush":
        return client.request(Command.Flush, 0, 0);
    }
  }
}
