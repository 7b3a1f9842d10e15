/**
 * TCP keep-alive for a client's socket, so that a peer that has vanished without a word is found.
 *
 *   silent for KEEP_ALIVE_IDLE_S ─▶ probe ─▶ … every KEEP_ALIVE_INTERVAL_S, KEEP_ALIVE_PROBES of them ─▶ the receive ends with ETIMEDOUT
 *
 * node can set the idle time only: its probes follow each other by the second, and an idle client would not survive ten seconds
 * without a network. It is what remains without the addon, with a longer idle time, so that it seldom matters. Runs on main.
 */
import type { Socket } from "node:net";
import { KEEP_ALIVE_IDLE_S, KEEP_ALIVE_INTERVAL_S, KEEP_ALIVE_PROBES } from "../base/constants.ts";
import { loadNative } from "./native.ts";

export function keepAlive(socket: Socket, fd: number): void {
  const { native } = loadNative();
  const status = native?.keepAlive(fd, KEEP_ALIVE_IDLE_S, KEEP_ALIVE_INTERVAL_S, KEEP_ALIVE_PROBES);
  if (status === 0) return;
  socket.setKeepAlive(true, KEEP_ALIVE_IDLE_S * KEEP_ALIVE_PROBES * 1000);
}
