/**
 * A refusal on a socket of which HTTP has made no request: what came is none, or it was to become something else. The answer is a problem like any other, and the end.
 */
import type { Socket } from "node:net";
import type { Problem } from "../daemon/problem.ts";

export function refuseSocket(socket: Socket, { details }: Problem): void {
  const body = JSON.stringify(details);
  const head = `HTTP/1.1 ${details.status} ${details.title}\r\nContent-Type: application/problem+json\r\nConnection: close\r\n`;
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
