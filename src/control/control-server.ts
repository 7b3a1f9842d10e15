/**
 * The daemon's HTTP servers: the control socket, and a port for metrics when one is asked for.
 *
 *   control  a Unix socket that only its owner, or a group, may open, or one that was inherited (socket activation). None on TCP: whoever may speak to it
 *            may write the volumes
 *   metrics  TCP: /metrics and nothing else
 */
import type { Server } from "node:http";
import { SnapringError } from "../base/errno.ts";
import type { Daemon } from "../daemon/daemon.ts";
import { groupNumber } from "../engine/group-number.ts";
import { inheritedPath } from "../engine/inherited-socket.ts";
import type { ListenAddress } from "../engine/listen-address.ts";
import { SocketFile } from "../engine/socket-file.ts";
import { type App, controlApp, metricsApp } from "./app.ts";

export interface ControlOptions {
  /** unix or fd. */
  readonly address: ListenAddress;
  /** Of the socket's file: 0600 where neither is said, 0660 for a group. */
  readonly socketMode?: number | undefined;
  readonly socketGroup?: string | number | undefined;
  readonly log: (line: string) => void;
  /** Lines that the log could not write. */
  readonly droppedLogLines: () => number;
}

type Where =
  | { readonly path: string }
  | { readonly fd: number }
  | { readonly host: string | undefined; readonly port: number };

export class ControlServer {
  readonly #app: App;
  readonly #file: SocketFile | undefined;

  private constructor(app: App, file: SocketFile | undefined) {
    this.#app = app;
    this.#file = file;
  }

  /** Answers when it resolves. Rejects with a SnapringError: EADDRINUSE (another daemon listens there), EACCES … */
  static async open(daemon: Daemon, options: ControlOptions): Promise<ControlServer> {
    const { address, socketMode, socketGroup } = options;
    const app = await controlApp(daemon, options);
    try {
      await app.ready();
      if (address.fd !== undefined) {
        inheritedPath(address.fd);
        await listen(app.server, { fd: address.fd });
        return new ControlServer(app, undefined);
      }
      const group = socketGroup === undefined ? undefined : await groupNumber(socketGroup);
      const mode = socketMode ?? (group === undefined ? 0o600 : 0o660);
      const path = address.unix ?? "";
      const file = await SocketFile.place(path, { mode, group }, (at) => listen(app.server, { path: at }));
      return new ControlServer(app, file);
    } catch (error) {
      await app.close();
      throw cannotListen("the control socket", error);
    }
  }

  /** The same for metrics alone. */
  static async openMetrics(daemon: Daemon, options: ControlOptions): Promise<ControlServer> {
    const { host, port = 0 } = options.address;
    const app = await metricsApp(daemon, options);
    try {
      await app.ready();
      await listen(app.server, { host, port });
      return new ControlServer(app, undefined);
    } catch (error) {
      await app.close();
      throw cannotListen("the port for metrics", error);
    }
  }

  /** Where it listens. */
  get port(): number | undefined {
    const address = this.#app.server.address();
    return typeof address === "object" && address !== null ? address.port : undefined;
  }

  /** Requests under way are cut off: what they have ordered goes on, or is asked for again. */
  async close(): Promise<void> {
    this.#file?.remove();
    this.#app.server.close();
    const ended = this.#app.close();
    this.#app.server.closeAllConnections();
    await ended;
  }
}

function listen(server: Server, where: Where): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      // A client that cannot be accepted for want of descriptors waits, or is closed.
      server.on("error", () => {});
      resolve();
    });
  });
}

function cannotListen(what: string, error: unknown): SnapringError {
  if (error instanceof SnapringError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const known = code === "EACCES" || code === "ENOENT" || code === "EMFILE" ? code : "EADDRINUSE";
  return new SnapringError(known, `cannot listen, for ${what}: ${message}`, { cause: error });
}
