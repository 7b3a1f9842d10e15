/**
 * `POST /v1/volumes/VOLUME/nbd` with `Upgrade: nbd`: a connection to the control socket becomes an NBD session, for a client that can reach nothing else.
 *
 *   request ─▶ is the volume open? ─▶ 101 ─▶ the socket is the engine's (NBD begins with the server's greeting, so nothing of the client's is under way)
 *
 * Any export may be chosen in the handshake: who may speak to the control socket may do everything.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Daemon } from "../daemon/daemon.ts";
import { Problem, problemOf } from "../daemon/problem.ts";
import { refuseSocket } from "./refused-socket.ts";

const PATH = /^\/v1\/volumes\/([^/?]+)\/nbd$/;
const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: nbd\r\n\r\n";

export function takeUpgrades(server: Server, daemon: Daemon): void {
  server.on("upgrade", (request: IncomingMessage, stream, head: Buffer) => {
    const socket = stream as Socket;
    socket.on("error", () => {});
    try {
      daemon.volumes.get(volumeOf(request, head)).volume.stats();
    } catch (error) {
      refuseSocket(socket, problemOf(error));
      return;
    }
    stopReading(socket);
    socket.write(SWITCHING, (error) => {
      if (error != null) return;
      try {
        daemon.engine.serve(socket);
      } catch {
        socket.destroy();
      }
    });
  });
}

/** Throws a Problem. */
function volumeOf({ method, url = "", headers }: IncomingMessage, head: Buffer): string {
  const [, name] = PATH.exec(url) ?? [];
  if (name === undefined || method !== "POST")
    throw new Problem("not-here", `there is nothing at ${method} ${url} to upgrade to`);
  if (headers.upgrade?.toLowerCase() !== "nbd")
    throw new Problem("bad-request", `'${headers.upgrade}' is no protocol of this server: nbd is`);
  if (head.length > 0) throw new Problem("bad-request", "an NBD client waits for the server's greeting");
  try {
    return decodeURIComponent(name);
  } catch {
    throw new Problem("bad-request", `'${name}' is not percent-encoded`);
  }
}

/** At once: what a paused socket has begun to read would be lost to who serves it. */
function stopReading(socket: Socket): void {
  socket.pause();
  (socket as unknown as { _handle?: { readStop?: () => void } })._handle?.readStop?.();
}
