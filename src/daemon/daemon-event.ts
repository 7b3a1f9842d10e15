/**
 * What the daemon tells of itself: each change of state, once, in the order in which it happened.
 *
 * Plain values, as they are sent and written down (journal.ts). A type that is added has its words here; who listens passes over types that it does not know.
 */

export type DaemonEventType =
  | "daemon-started"
  | "daemon-stopping"
  | "volume-added"
  | "volume-opening"
  | "volume-open"
  | "volume-failed"
  | "volume-closed"
  | "volume-removed"
  | "snapshot-created"
  | "snapshot-creation-undone"
  | "snapshot-dropped"
  | "snapshot"
  | "client-connected"
  | "client-disconnected"
  | "clients"
  | "group-created"
  | "group-dropped"
  | "pool-created"
  | "pool-removed"
  | "operation-started"
  | "operation-ended"
  | "gap";

/** What happened; `volume` and `snapshot` where it is about one. */
export interface DaemonEventBody {
  readonly type: DaemonEventType;
  readonly volume?: string | undefined;
  readonly snapshot?: string | undefined;
  /** Further facts, by the type: `event` and `reason` of a snapshot's event, `operation`, `problem` … */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

export interface DaemonEvent extends DaemonEventBody {
  /** Rises by one with each event, over restarts, too. */
  readonly id: number;
  /** When, as RFC 3339 has it: for people. A clock may be set back; ids are not. */
  readonly time: string;
}
