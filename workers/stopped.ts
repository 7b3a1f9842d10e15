/**
 * A worker's last word to main: its loop has ended, and nothing of it is under way.
 */
import { Message } from "../src/ring/messages.ts";
import type { Outbox } from "../src/ring/outbox.ts";

export function sayStopped(outbox: Outbox): void {
  outbox.send(Message.Stopped, 0, 0);
}
