/**
 * The limits of what clients may take, seen from main: connections, time for a handshake, memory that others wait for.
 *
 *   client ──▶ mayCome? ──▶ began ──▶ entered                        no limit in transmission: a client may be idle for days
 *                 │no          │ HANDSHAKE_MS
 *                 ▼            ▼
 *              refused     CutHandshake to its worker
 *
 *   worker: a client waits for memory that others hold ── Waiting ──▶ TRANSFER_MS ── Relieve ──▶ worker: who has not moved its data goes
 *
 * So many may come as there are descriptors for at the start, in any case: the last ones are left to orders, and a client too many is
 * refused instead of taking what a thread needs. Where the machine refuses a client its descriptor all the same, that is one refusal.
 *
 * The workers have no timers; these are here. What happens is counted, and told in lines that do not flood the log.
 * It decides about no connection by itself: the worker that serves it looks again.
 */
import {
  DESCRIPTORS_FOR_ORDERS,
  DESCRIPTORS_PER_CONNECTION,
  HANDSHAKE_MS,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_WORKER,
  TRANSFER_MS,
} from "../base/constants.ts";
import { SnapringError } from "../base/errno.ts";
import { type DescriptorRoom, descriptorRoom } from "../device/free-descriptors.ts";
import { CloseCause, Message } from "../ring/messages.ts";
import type { Channel } from "./channel.ts";
import { RareLine } from "./rare-line.ts";

/** Connections of clients. */
export interface ClientStats {
  /** Open now. */
  readonly connections: number;
  /** Of these, in their handshake. */
  readonly handshakes: number;
  /** Since the start: let in. */
  readonly accepted: number;
  /** Since the start: closed without a word, because there were too many. */
  readonly refused: number;
  /** Since the start: cut off, for they did not finish the handshake in 10 seconds. */
  readonly handshakeTimeouts: number;
  /** Since the start: cut off, for they held memory that others waited for, and moved no data. */
  readonly transferTimeouts: number;
}

export const NO_CLIENTS: ClientStats = {
  ...{ connections: 0, handshakes: 0, accepted: 0, refused: 0, handshakeTimeouts: 0, transferTimeouts: 0 },
};

export class ClientLimits {
  /** Those in their handshake and when their time is over; in the order of their coming, which is that of their times. */
  readonly #handshakes = new Map<number, { readonly worker: Channel; readonly until: number }>();
  readonly #relieves = new Map<Channel, NodeJS.Timeout>();
  readonly #refusals: RareLine;
  readonly #shortages: RareLine;
  readonly #slowHandshakes: RareLine;
  readonly #slowTransfers: RareLine;
  readonly #failed: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  readonly #log: (line: string) => void;
  readonly #room: () => DescriptorRoom;
  #most: number;
  /** Why it is not more, where that is not our own limit. */
  #because = "";
  #accepted = 0;
  #refused = 0;
  #handshakeTimeouts = 0;
  #transferTimeouts = 0;

  /** `failed`: one of its timers has thrown. `room`: the descriptors that there are. */
  constructor(
    log: (line: string) => void,
    failed: (error: unknown) => void = rethrow,
    room: () => DescriptorRoom = descriptorRoom,
  ) {
    this.#failed = failed;
    this.#log = log;
    this.#room = room;
    // Who comes before the volume is open waits, and takes nothing that the opening may need.
    this.#most = Math.min(MAX_CONNECTIONS, Math.floor(room().free / 4));
    this.#refusals = new RareLine(
      log,
      (n) => `${connections(n)} refused: ${this.#most} are open, which is the most${this.#because}`,
    );
    this.#shortages = new RareLine(
      log,
      (n) => `${connections(n)} refused: this machine has no descriptor or no memory for them`,
    );
    const seconds = (ms: number): string => `${ms / 1000} seconds`;
    this.#slowHandshakes = new RareLine(
      log,
      (n) => `${connections(n)} closed: no end of the handshake in ${seconds(HANDSHAKE_MS)}`,
    );
    this.#slowTransfers = new RareLine(
      log,
      (n) => `${connections(n)} closed: data not sent or read in ${seconds(TRANSFER_MS)}, while other clients waited`,
    );
  }

  /** A volume is open, `waiting` clients are there or served. Throws a SnapringError (EMFILE) where no client could be served. */
  serve(workers: number, waiting = 0): void {
    const own = Math.min(MAX_CONNECTIONS, workers * MAX_CONNECTIONS_PER_WORKER);
    const { limit, free } = this.#room();
    const kept = Math.min(DESCRIPTORS_FOR_ORDERS, Math.floor(free / 4));
    const possible = Math.floor((free + waiting - kept) / DESCRIPTORS_PER_CONNECTION);
    if (possible < 1) {
      throw new SnapringError("EMFILE", `the limit of ${limit} descriptors leaves none for clients`, {
        hint: "raise it (ulimit -n, LimitNOFILE= of systemd)",
      });
    }
    const before = this.#most;
    this.#most = Math.min(own, possible);
    if (possible >= own) {
      this.#because = "";
      return;
    }
    const isKnown = this.#because !== "" && before === this.#most;
    this.#because = ` for a limit of ${limit} descriptors`;
    if (!isKnown) this.#log(`at most ${connections(possible)}${this.#because} (ulimit -n)`);
  }

  /** One more, where `present` are open? */
  mayCome(present: number): boolean {
    if (present < this.#most) return true;
    this.#turnedAway();
    return false;
  }

  began(id: number, worker: Channel): void {
    this.#accepted += 1;
    this.#handshakes.set(id, { worker, until: performance.now() + HANDSHAKE_MS });
    this.#arm(HANDSHAKE_MS);
  }

  entered(id: number): void {
    this.#handshakes.delete(id);
  }

  ended(id: number, cause: CloseCause): void {
    this.#handshakes.delete(id);
    switch (cause) {
      case CloseCause.NoRoom:
        this.#accepted -= 1;
        this.#turnedAway();
        return;
      case CloseCause.Shortage:
        this.#accepted -= 1;
        this.shortage();
        return;
      case CloseCause.Handshake:
        this.#handshakeTimeouts += 1;
        this.#slowHandshakes.happened();
        return;
      case CloseCause.Transfer:
        this.#transferTimeouts += 1;
        this.#slowTransfers.happened();
        return;
      case CloseCause.Ended:
    }
  }

  /** The machine has refused a client what it takes. */
  shortage(): void {
    this.#refused += 1;
    this.#shortages.happened();
  }

  waiting(worker: Channel): void {
    const timer = setTimeout(() => {
      this.#relieves.delete(worker);
      this.#send(worker, Message.Relieve, 0);
    }, TRANSFER_MS);
    timer.unref();
    this.#relieves.set(worker, timer);
  }

  stats(connectionsNow: number): ClientStats {
    return {
      connections: connectionsNow,
      handshakes: this.#handshakes.size,
      accepted: this.#accepted,
      refused: this.#refused,
      handshakeTimeouts: this.#handshakeTimeouts,
      transferTimeouts: this.#transferTimeouts,
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const timer of this.#relieves.values()) clearTimeout(timer);
    this.#handshakes.clear();
    this.#relieves.clear();
    for (const line of [this.#refusals, this.#shortages, this.#slowHandshakes, this.#slowTransfers]) line.close();
  }

  #turnedAway(): void {
    this.#refused += 1;
    this.#refusals.happened();
  }

  /** One timer, for the oldest. */
  #arm(milliseconds: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#expire(), milliseconds);
    this.#timer.unref();
  }

  #expire(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [id, { worker, until }] of this.#handshakes) {
      // A timer may be a little early.
      if (until > now) return this.#arm(until - now + 1);
      this.#handshakes.delete(id);
      this.#send(worker, Message.CutHandshake, id);
    }
  }

  #send(worker: Channel, kind: Message, connection: number): void {
    if (worker.dead || worker.isClosed) return;
    try {
      worker.outbox.send(kind, 0, connection);
      worker.outbox.flush();
    } catch (error) {
      this.#failed(error);
    }
  }
}

export function rethrow(error: unknown): never {
  throw error;
}

function connections(count: number): string {
  return count === 1 ? "1 connection" : `${count} connections`;
}
