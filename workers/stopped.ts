/**
 * A worker's last word to main: its loop has ended, and nothing of it is under way.
 *
 * Copy workers and the metadata worker have no clients, so that nothing of theirs is cut: what is under way ends.
 */
import { Message } from "../src/ring/messages.ts";
import type { Outbox } from "../src/ring/outbox.ts";
import { Stopped } from "../src/ring/to-main.ts";

/** `requests` of `clients` were cut. */
export function sayStopped(outbox: Outbox, requests: number, clients: number): void {
  const at = outbox.begin(Message.Stopped, 0);
  Stopped.requests.set(outbox.words, at, requests);
  Stopped.clients.set(outbox.words, at, clients);
}
