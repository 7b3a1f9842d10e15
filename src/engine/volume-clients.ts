/**
 * The clients of one volume, as a program sees them: who is connected to which export, and the event when one comes or goes.
 *
 *   front.ts: entered ─▶ here, with the name that its export has now ─▶ `client` event "connected"
 *   front.ts: closed  ─▶ the same client, whatever has become of the export ─▶ `client` event "disconnected"
 *
 * Each is told when the turn is over: a listener may give orders. Who is in a handshake is nobody's client yet. Runs on main.
 */
import { ORIGIN_EXPORT } from "../base/constants.ts";
import { CloseCause, LIVE_VOLUME } from "../ring/messages.ts";
import type { ClientNews } from "./front.ts";
import type { SnapshotHandle } from "./snapshot-handle.ts";
import { guarded } from "./user-callback.ts";
import type { ClientDetails, VolumeEvents } from "./volume-events.ts";

export interface VolumeClientsParts {
  readonly at: (snapshot: number) => Pick<SnapshotHandle, "name"> | undefined;
  readonly emit: (...event: VolumeEvents["client"]) => void;
}

export class VolumeClients {
  readonly #parts: VolumeClientsParts;
  readonly #connected = new Map<number, ClientDetails>();

  constructor(parts: VolumeClientsParts) {
    this.#parts = parts;
  }

  /** In the order of their coming. */
  get all(): readonly ClientDetails[] {
    return [...this.#connected.values()];
  }

  hear({ left, connection, snapshot, address }: ClientNews): void {
    const known = this.#connected.get(connection);
    if (left === undefined) {
      const name = snapshot === LIVE_VOLUME ? ORIGIN_EXPORT : (this.#parts.at(snapshot)?.name ?? "");
      const client = { connection, export: name, address };
      this.#connected.set(connection, client);
      this.#tell("connected", client, "");
    } else if (known !== undefined) {
      this.#connected.delete(connection);
      this.#tell("disconnected", known, left === CloseCause.Transfer ? "ETIMEDOUT" : "");
    }
  }

  #tell(...event: VolumeEvents["client"]): void {
    process.nextTick(guarded(() => this.#parts.emit(...event)));
  }
}
