/**
 * Clients of one volume that come and go, as events of the daemon: the first few of a while singly, the others as a count, so that a client which knocks without end
 * neither fills the journal nor pushes other events out of it.
 *
 *   client ─▶ one of the first CLIENT_EVENTS of this window? ─ yes ─▶ client-connected, client-disconnected
 *                                                              └ no ─▶ counted ─▶ the window ends ─▶ clients: so many came, so many went
 *
 * A window begins with the first client that it counts. Its timer keeps no process alive.
 */
import type { VolumeEvents } from "../index.ts";
import type { DaemonEventBody } from "./daemon-event.ts";

export const CLIENT_EVENTS = 10;
export const CLIENT_WINDOW_MS = 60_000;

export class ClientEvents {
  readonly #tell: (event: DaemonEventBody) => void;
  #told = 0;
  #connected = 0;
  #disconnected = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (event: DaemonEventBody) => void) {
    this.#tell = tell;
  }

  hear(...[event, client, reason]: VolumeEvents["client"]): void {
    this.#timer ??= setTimeout(() => this.close(), CLIENT_WINDOW_MS).unref();
    this.#told += 1;
    if (this.#told <= CLIENT_EVENTS)
      this.#tell({ type: `client-${event}`, data: reason === "" ? { ...client } : { ...client, reason } });
    else if (event === "connected") this.#connected += 1;
    else this.#disconnected += 1;
  }

  /** The window ends now. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const [connected, disconnected] = [this.#connected, this.#disconnected];
    this.#told = this.#connected = this.#disconnected = 0;
    if (connected + disconnected > 0) this.#tell({ type: "clients", data: { connected, disconnected } });
  }
}
